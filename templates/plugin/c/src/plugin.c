/* Sets a feature flag with the program `./flag`, and sets it back when the deployment is taken back. */
#include "windlass.h"
#include <string.h>

/* The program that keeps flags. */
#define PROGRAM "./flag"

/* The step's `with`, as JSON Schema: it is checked before anything else is called. */
static const char SCHEMA[] =
    "{ \"type\": \"object\", \"additionalProperties\": false, \"required\": [\"flag\", \"value\"], \"properties\": {"
    " \"flag\": { \"type\": \"string\", \"pattern\": \"^[a-z0-9-]+$\", \"description\": \"The flag's name.\" },"
    " \"value\": { \"type\": \"string\", \"pattern\": \"^[a-z0-9-]+$\", \"description\": \"What it is to be.\" } } }";

static const char *flag_of(windlass_string *config) {
  return windlass_json_text(windlass_json_of(*config), "flag", "");
}

static const char *value_of(windlass_string *config) {
  return windlass_json_text(windlass_json_of(*config), "value", "");
}

/* A text without the white space at its end. */
static char *trimmed(char *text) {
  size_t length = strlen(text);
  while (length > 0 && (unsigned char)text[length - 1] <= ' ') text[--length] = 0;
  return text;
}

static bool ended_well(const windlass_completion *completion, const char *code, const char *message,
                       windlass_failure *failure) {
  if (completion->code == 0) return true;
  windlass_fail(failure, WINDLASS_UNAVAILABLE, code, message);
  windlass_because(failure, windlass_format("`" PROGRAM "` ended with exit code %d", completion->code));
  return windlass_because(failure, trimmed(completion->tail));
}

static bool read_flag(const char *flag, const char **value, windlass_failure *failure) {
  windlass_completion completion;
  if (!windlass_run((const char *const[]){PROGRAM, "get", flag, NULL}, &completion, failure)) return false;
  *value = trimmed(completion.output);
  return ended_well(&completion, "flag-unreadable", windlass_format("the flag `%s` cannot be read", flag), failure);
}

static bool set_flag(const char *flag, const char *value, windlass_failure *failure) {
  windlass_completion completion;
  if (!windlass_run((const char *const[]){PROGRAM, "set", flag, value, NULL}, &completion, failure)) return false;
  return ended_well(&completion, "flag-not-set", windlass_format("the flag `%s` was not set to `%s`", flag, value), failure);
}

void windlass_describe(windlass_description *description) {
  description->name = windlass_text("{{name}}");
  description->version = windlass_text("0.1.0");
  description->summary = windlass_text("Sets a feature flag, and sets it back.");
  description->config_schema = windlass_text(SCHEMA);
}

bool windlass_requires(windlass_string *config, windlass_capabilities *capabilities, windlass_failure *failure) {
  (void)failure;
  const char *flag = flag_of(config);
  windlass_ask_exec(capabilities, PROGRAM, (const char *const[]){"get", flag, NULL}, NULL, WINDLASS_ALWAYS);
  windlass_ask_exec(capabilities, PROGRAM, (const char *const[]){"set", flag, "*", NULL}, (const char *const[]){"flags", NULL},
                    WINDLASS_APPLY | WINDLASS_REVERT);
  return true;
}

bool windlass_plan(windlass_string *config, windlass_intents *intents, windlass_failure *failure) {
  const char *flag = flag_of(config), *value = value_of(config), *now;
  if (!read_flag(flag, &now, failure)) return false;
  if (strcmp(now, value) == 0) return true;
  const char *summary = *now == 0 ? windlass_format("set `%s` to `%s`, which is not set", flag, value)
                                  : windlass_format("set `%s` to `%s`, which is `%s`", flag, value, now);
  windlass_intend(intents, windlass_format("%s=%s", flag, value), summary, WINDLASS_CHANGES);
  return true;
}

bool windlass_apply(windlass_string *config, windlass_outcome *outcome, windlass_failure *failure) {
  const char *flag = flag_of(config), *value = value_of(config), *before;
  if (!read_flag(flag, &before, failure)) return false;
  /* First the record, then the effect: what is cut off between them is taken back, too. */
  const char *record =
      windlass_format("{\"flag\":%s,\"before\":%s}", windlass_json_quote(flag), windlass_json_quote(before));
  if (!windlass_record(record, failure) || !set_flag(flag, value, failure)) return false;
  windlass_output(outcome, "before", before);
  return windlass_done(outcome, windlass_format("set `%s` to `%s`", flag, value));
}

bool windlass_probe(windlass_string *config, windlass_strings *records, windlass_verdict *verdict, windlass_failure *failure) {
  (void)records;
  const char *now;
  if (!read_flag(flag_of(config), &now, failure)) return false;
  *verdict = strcmp(now, value_of(config)) == 0 ? WINDLASS_PLUGIN_TYPES_VERDICT_DONE : WINDLASS_PLUGIN_TYPES_VERDICT_NOT_DONE;
  return true;
}

bool windlass_revert(windlass_string *config, windlass_strings *records, windlass_outcome *outcome, windlass_failure *failure) {
  (void)config;
  const char *summary = "nothing to take back";
  for (size_t index = records->len; index > 0; index--) {
    windlass_json record = windlass_json_of(records->ptr[index - 1]);
    const char *flag = windlass_json_text(record, "flag", ""), *before = windlass_json_text(record, "before", "");
    if (!set_flag(flag, before, failure)) return false;
    summary = *before == 0 ? windlass_format("took `%s` away again", flag)
                           : windlass_format("set `%s` back to `%s`", flag, before);
  }
  return windlass_done(outcome, summary);
}
