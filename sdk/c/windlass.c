/* See windlass.h. Texts, failures, answers and the host's own interfaces; files and HTTP are in wasi.c, JSON in json.c. */
#include "windlass.h"
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

/* The bindings want the object beside which says of which world they are. There is none: the host knows the world of C. */
void __component_type_object_force_link_step(void);
void __component_type_object_force_link_step(void) {}

/* Called once before anything else; there is nothing to begin. */
void windlass_initialize(void);
__attribute__((export_name("_initialize"))) void windlass_initialize(void) {}

void *windlass_memory(void *memory, size_t size) {
  void *larger = realloc(memory, size);
  if (larger == NULL) WINDLASS_PANIC("out of memory");
  return larger;
}

/* Room for one more at the end of a list of the contract. */
#define MORE(list) (&((list)->ptr = windlass_memory((list)->ptr, ((list)->len + 1) * sizeof *(list)->ptr))[(list)->len++])

windlass_string windlass_text(const char *text) {
  return (windlass_string){(uint8_t *)text, strlen(text)};
}

char *windlass_copy(windlass_string text) {
  char *copy = windlass_memory(NULL, text.len + 1);
  memcpy(copy, text.ptr, text.len);
  copy[text.len] = 0;
  return copy;
}

static windlass_strings texts(const char *const *words) {
  windlass_strings list = {NULL, 0};
  for (; words != NULL && *words != NULL; words++) *MORE(&list) = windlass_text(*words);
  return list;
}

typedef struct {
  char *text;
  size_t length;
} builder;

static void put(builder *to, const char *text, size_t length) {
  to->text = windlass_memory(to->text, to->length + length + 1);
  memcpy(to->text + to->length, text, length);
  to->length += length;
  to->text[to->length] = 0;
}

static void put_number(builder *to, uint64_t number) {
  char digits[20];
  size_t at = sizeof digits;
  do {
    digits[--at] = (char)('0' + number % 10);
    number /= 10;
  } while (number > 0);
  put(to, digits + at, sizeof digits - at);
}

static void put_signed(builder *to, int64_t number) {
  if (number < 0) put(to, "-", 1);
  put_number(to, number < 0 ? -(uint64_t)number : (uint64_t)number);
}

char *windlass_format(const char *format, ...) {
  builder out = {NULL, 0};
  put(&out, "", 0);
  va_list values;
  va_start(values, format);
  for (const char *at = format; *at != 0;) {
    if (*at != '%') {
      const char *next = strchr(at, '%');
      size_t length = next == NULL ? strlen(at) : (size_t)(next - at);
      put(&out, at, length);
      at += length;
      continue;
    }
    at++;
    if (*at == '%') put(&out, at++, 1);
    else if (*at == 's') {
      const char *text = va_arg(values, const char *);
      put(&out, text, strlen(text));
      at++;
    } else if (*at == 'd') {
      put_signed(&out, va_arg(values, int));
      at++;
    } else if (*at == 'u') {
      put_number(&out, va_arg(values, unsigned));
      at++;
    } else if (strncmp(at, "zu", 2) == 0) {
      put_number(&out, va_arg(values, size_t));
      at += 2;
    } else if (strncmp(at, "lld", 3) == 0) {
      put_signed(&out, va_arg(values, long long));
      at += 3;
    } else if (strncmp(at, "llu", 3) == 0) {
      put_number(&out, va_arg(values, unsigned long long));
      at += 3;
    } else WINDLASS_PANIC("windlass_format knows %s, %d, %u, %lld, %llu, %zu and %%, and no other value");
  }
  va_end(values);
  return out.text;
}

bool windlass_fail(windlass_failure *failure, int kind, const char *code, const char *message) {
  *failure = (windlass_failure){0};
  failure->kind = (windlass_plugin_types_failure_kind_t)kind;
  failure->code = windlass_text(code);
  failure->message = windlass_text(message);
  return false;
}

bool windlass_because(windlass_failure *failure, const char *cause) {
  *MORE(&failure->causes) = windlass_text(cause);
  return false;
}

bool windlass_hint(windlass_failure *failure, const char *hint) {
  failure->hint = (step_option_string_t){true, windlass_text(hint)};
  return false;
}

bool windlass_note(windlass_failure *failure, const char *note) {
  failure->note = (step_option_string_t){true, windlass_text(note)};
  return false;
}

_Noreturn void windlass_panic(const char *message, const char *file, int line) {
  /* Without memory there are no texts to be made. */
  static bool panics = false;
  if (!panics) {
    panics = true;
    windlass_log(WINDLASS_ERROR, windlass_format("the plugin panicked: at %s:%d: %s", file, line, message));
  }
  abort();
}

void windlass_ask(windlass_capabilities *capabilities, windlass_capability capability) {
  *MORE(capabilities) = capability;
}

static windlass_capability *ask(windlass_capabilities *capabilities, uint8_t tag, int phases) {
  windlass_capability *capability = MORE(capabilities);
  *capability = (windlass_capability){0};
  capability->grant.tag = tag;
  capability->phases = (windlass_plugin_types_phases_t)phases;
  return capability;
}

void windlass_ask_directory(windlass_capabilities *capabilities, const char *path, int access, int phases) {
  windlass_capability *capability = ask(capabilities, WINDLASS_PLUGIN_TYPES_GRANT_DIRECTORY, phases);
  capability->grant.val.directory.path = windlass_text(path);
  capability->grant.val.directory.access = (windlass_plugin_types_access_t)access;
}

void windlass_ask_environment(windlass_capabilities *capabilities, const char *name, int phases) {
  ask(capabilities, WINDLASS_PLUGIN_TYPES_GRANT_ENVIRONMENT, phases)->grant.val.environment = windlass_text(name);
}

void windlass_ask_exec(windlass_capabilities *capabilities, const char *program, const char *const *arguments,
                       const char *const *writes, int phases) {
  windlass_plugin_types_exec_t *exec = &ask(capabilities, WINDLASS_PLUGIN_TYPES_GRANT_EXEC, phases)->grant.val.exec;
  exec->program = windlass_text(program);
  exec->arguments = texts(arguments);
  exec->directory = windlass_text(".");
  exec->writes = texts(writes);
  exec->connects.tag = WINDLASS_PLUGIN_TYPES_PORTS_THESE;
}

static windlass_strings one(const char *text) {
  return texts((const char *const[]){text, NULL});
}

void windlass_ask_http(windlass_capabilities *capabilities, const char *scheme, const char *host, uint16_t port,
                       const char *const *methods, const char *path, const char *addresses, int phases) {
  windlass_plugin_types_http_t *http = &ask(capabilities, WINDLASS_PLUGIN_TYPES_GRANT_HTTP, phases)->grant.val.http;
  http->scheme = windlass_text(scheme);
  http->host = windlass_text(host);
  http->port = port;
  http->methods = texts(methods);
  http->path = windlass_text(path);
  http->addresses = one(addresses);
}

void windlass_ask_tcp_probe(windlass_capabilities *capabilities, const char *host, uint16_t port, const char *addresses,
                            int phases) {
  windlass_plugin_types_tcp_probe_t *probe =
      &ask(capabilities, WINDLASS_PLUGIN_TYPES_GRANT_TCP_PROBE, phases)->grant.val.tcp_probe;
  probe->host = windlass_text(host);
  probe->port = port;
  probe->addresses = one(addresses);
}

void windlass_ask_database(windlass_capabilities *capabilities, const char *name, const char *url, int access, int phases) {
  windlass_plugin_types_database_t *database =
      &ask(capabilities, WINDLASS_PLUGIN_TYPES_GRANT_DATABASE, phases)->grant.val.database;
  database->name = windlass_text(name);
  database->url = (step_option_string_t){true, windlass_text(url)};
  database->access = (windlass_plugin_types_access_t)access;
}

void windlass_ask_secret_header(windlass_capabilities *capabilities, const char *name, const char *origin, int phases) {
  windlass_plugin_types_secret_t *secret = &ask(capabilities, WINDLASS_PLUGIN_TYPES_GRANT_SECRET, phases)->grant.val.secret;
  secret->name = windlass_text(name);
  secret->usage.tag = WINDLASS_PLUGIN_TYPES_SECRET_USE_HEADER;
  secret->usage.val.header = windlass_text(origin);
}

void windlass_intend(windlass_intents *intents, const char *id, const char *summary, int effect) {
  *MORE(intents) = (windlass_plugin_types_intent_t){
      .id = windlass_text(id),
      .summary = windlass_text(summary),
      .effect = (windlass_plugin_types_effect_t)effect,
  };
}

void windlass_detail(windlass_intents *intents, const char *detail) {
  if (intents->len == 0) WINDLASS_PANIC("there is no intent yet to say more of");
  intents->ptr[intents->len - 1].detail = (step_option_string_t){true, windlass_text(detail)};
}

bool windlass_done(windlass_outcome *outcome, const char *summary) {
  outcome->summary = windlass_text(summary);
  return true;
}

void windlass_output(windlass_outcome *outcome, const char *name, const char *value) {
  *MORE(&outcome->outputs) = (step_tuple2_string_string_t){windlass_text(name), windlass_text(value)};
}

void windlass_log(int level, const char *message) {
  windlass_string text = windlass_text(message);
  windlass_plugin_log_write((windlass_plugin_log_level_t)level, &text);
}

bool windlass_record(const char *json, windlass_failure *failure) {
  windlass_string text = windlass_text(json);
  return windlass_plugin_record_append(&text, failure);
}

bool windlass_secret(const char *name, char **placeholder, windlass_failure *failure) {
  windlass_string text = windlass_text(name);
  step_option_string_t found;
  if (!windlass_plugin_secrets_placeholder(&text, &found, failure)) return false;
  *placeholder = found.is_some ? windlass_copy(found.val) : NULL;
  return true;
}

bool windlass_run(const char *const *words, windlass_completion *completion, windlass_failure *failure) {
  windlass_plugin_process_command_t command = {
      .program = windlass_text(words[0]),
      .arguments = texts(words + 1),
      .directory = windlass_text("."),
      .output = WINDLASS_PLUGIN_PROCESS_OUTPUT_CAPTURE,
  };
  windlass_plugin_process_completion_t ended;
  if (!windlass_plugin_process_run(&command, &ended, failure)) return false;
  completion->code = ended.code.is_some ? ended.code.val : -1;
  completion->output = windlass_copy((windlass_string){ended.stdout_.ptr, ended.stdout_.len});
  completion->errors = windlass_copy((windlass_string){ended.stderr_.ptr, ended.stderr_.len});
  completion->tail = windlass_copy(ended.tail);
  return true;
}

/* What a plugin need not write: nobody can tell what became of a call that was cut off, and what left no records did nothing that
 * could be taken back. */

__attribute__((weak)) bool windlass_probe(windlass_string *config, windlass_strings *records, windlass_verdict *verdict,
                                          windlass_failure *failure) {
  (void)config, (void)records, (void)failure;
  *verdict = WINDLASS_PLUGIN_TYPES_VERDICT_UNKNOWN;
  return true;
}

__attribute__((weak)) bool windlass_revert(windlass_string *config, windlass_strings *records, windlass_outcome *outcome,
                                           windlass_failure *failure) {
  (void)config;
  if (records->len == 0) return windlass_done(outcome, "nothing to take back");
  const char *left = records->len == 1 ? "1 record" : windlass_format("%zu records", records->len);
  windlass_fail(failure, WINDLASS_BUG, "no-revert", "this plugin cannot take back what it did");
  windlass_because(failure, windlass_format("it left %s, and has no `revert`", left));
  windlass_note(failure, "what it did is as it was left");
  return windlass_hint(failure, "take it back by hand, and give the plugin a `revert`");
}

/* What the contract calls: each call is an instance of its own. A failure is empty until something is said of it. */

extern const char *windlass_looking;
const char *windlass_looking;

/* Always false: what a function that failed returns, and where it set no failure, that it did not. */
static bool failed(const char *function, windlass_failure *failure) {
  if (failure->code.len > 0 || failure->message.len > 0) return false;
  windlass_fail(failure, WINDLASS_BUG, "no-failure", windlass_format("`%s` returned false and set no failure", function));
  return windlass_hint(failure, "say why with `return windlass_fail(failure, …)`, or return true");
}

void exports_windlass_plugin_lifecycle_describe(windlass_description *description) {
  windlass_describe(description);
}

bool exports_windlass_plugin_lifecycle_requires(windlass_string *config, windlass_capabilities *capabilities,
                                                windlass_failure *failure) {
  *failure = (windlass_failure){0};
  return windlass_requires(config, capabilities, failure) || failed("windlass_requires", failure);
}

bool exports_windlass_plugin_lifecycle_plan(windlass_string *config, windlass_intents *intents, windlass_failure *failure) {
  *failure = (windlass_failure){0};
  windlass_looking = "plan";
  return windlass_plan(config, intents, failure) || failed("windlass_plan", failure);
}

bool exports_windlass_plugin_lifecycle_apply(windlass_string *config, windlass_outcome *outcome, windlass_failure *failure) {
  *failure = (windlass_failure){0};
  return windlass_apply(config, outcome, failure) || failed("windlass_apply", failure);
}

bool exports_windlass_plugin_lifecycle_probe(windlass_string *config, windlass_strings *records, windlass_verdict *verdict,
                                             windlass_failure *failure) {
  *failure = (windlass_failure){0};
  windlass_looking = "probe";
  return windlass_probe(config, records, verdict, failure) || failed("windlass_probe", failure);
}

bool exports_windlass_plugin_lifecycle_revert(windlass_string *config, windlass_strings *records, windlass_outcome *outcome,
                                              windlass_failure *failure) {
  *failure = (windlass_failure){0};
  return windlass_revert(config, records, outcome, failure) || failed("windlass_revert", failure);
}
