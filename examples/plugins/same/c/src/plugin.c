/* Registers a release: reads its version from a file, has a command stamp it, and tells a registry. */
#include "windlass.h"
#include <string.h>

static const char SCHEMA[] =
    "{ \"type\": \"object\", \"additionalProperties\": false, \"required\": [\"file\", \"registry\", \"token\", \"stamp\"],"
    " \"properties\": {"
    " \"file\": { \"type\": \"string\", \"pattern\": \"^[^/]+/[^/]+$\", \"description\": \"The file that holds the version.\" },"
    " \"registry\": { \"type\": \"string\", \"description\": \"Where the registry is.\" },"
    " \"token\": { \"type\": \"object\", \"additionalProperties\": false, \"required\": [\"secret\"], \"properties\": {"
    "   \"secret\": { \"type\": \"string\", \"pattern\": \"^[A-Za-z_][A-Za-z0-9_]*$\" } },"
    "   \"description\": \"The secret that holds its token.\" },"
    " \"stamp\": { \"type\": \"string\", \"description\": \"The command that stamps a version.\" } } }";

/* The step's `with`. */
typedef struct {
  char *file;
  char *registry;
  char *token;
  char *stamp;
} settings;

static settings read_settings(windlass_string *config) {
  windlass_json all = windlass_json_of(*config), token;
  settings with = {
      windlass_json_text(all, "file", ""),
      windlass_json_text(all, "registry", ""),
      windlass_json_member(all, "token", &token) ? windlass_json_text(token, "secret", "") : "",
      windlass_json_text(all, "stamp", ""),
  };
  size_t length = strlen(with.registry);
  while (length > 0 && with.registry[length - 1] == '/') with.registry[--length] = 0;
  return with;
}

static char *trimmed(char *text) {
  size_t length = strlen(text);
  while (length > 0 && (unsigned char)text[length - 1] <= ' ') text[--length] = 0;
  while (*text != 0 && (unsigned char)*text <= ' ') text++;
  return text;
}

static bool read_version(const settings *with, char **version, windlass_failure *failure) {
  size_t length;
  if (!windlass_read_file(with->file, version, &length, failure)) {
    if (failure->kind == WINDLASS_MISCONFIGURED) failure->code = windlass_text("unreadable");
    return false;
  }
  *version = trimmed(*version);
  if (**version != 0) return true;
  windlass_fail(failure, WINDLASS_MISCONFIGURED, "no-version", windlass_format("`%s` holds no version", with->file));
  return windlass_hint(failure, windlass_format("write the version into `%s`", with->file));
}

/* Asks the registry. What it answers is one of two statuses, or a failure. */
static bool ask(const settings *with, const char *method, const char *path, const char *body, int expected, int or_else,
                windlass_response *response, windlass_failure *failure) {
  char *token;
  if (!windlass_secret(with->token, &token, failure)) return false;
  if (token == NULL) {
    windlass_fail(failure, WINDLASS_MISCONFIGURED, "secret-not-set", windlass_format("the secret `%s` is not set", with->token));
    return windlass_hint(failure, windlass_format("set the variable `%s` in the job's environment", with->token));
  }
  const char *headers[] = {"authorization", windlass_format("Bearer %s", token), NULL, NULL, NULL};
  if (body != NULL) headers[2] = "content-type", headers[3] = "application/json; charset=utf-8";
  if (!windlass_send(method, windlass_format("%s%s", with->registry, path), headers, body, response, failure)) return false;
  if (response->status == expected || response->status == or_else) return true;
  return windlass_fail(failure, WINDLASS_UNAVAILABLE, "registry-answered",
                       windlass_format("the registry answered `%s %s` with %d", method, path, response->status));
}

static bool is_there(const settings *with, const char *version, bool *there, windlass_failure *failure) {
  windlass_response response;
  if (!ask(with, "GET", windlass_format("/releases/%s", version), NULL, 200, 404, &response, failure)) return false;
  *there = response.status == 200;
  return true;
}

void windlass_describe(windlass_description *description) {
  description->name = windlass_text("same");
  description->version = windlass_text("1.0.0");
  description->summary = windlass_text("Registers a release.");
  description->config_schema = windlass_text(SCHEMA);
}

bool windlass_requires(windlass_string *config, windlass_capabilities *capabilities, windlass_failure *failure) {
  settings with = read_settings(config);
  windlass_url url;
  if (!windlass_url_of(with.registry, &url))
    return windlass_fail(failure, WINDLASS_MISCONFIGURED, "invalid-url", windlass_format("`%s` is not a URL", with.registry));
  const char *base = strcmp(url.path, "/") == 0 ? "" : url.path;
  char *directory = windlass_format("%s", with.file);
  *strchr(directory, '/') = 0;
  windlass_ask_directory(capabilities, directory, WINDLASS_READ, WINDLASS_PLAN | WINDLASS_APPLY);
  windlass_ask_exec(capabilities, with.stamp, (const char *const[]){"*", NULL}, NULL, WINDLASS_APPLY);
  const char *one = windlass_format("%s/releases/", base);
  windlass_ask_http(capabilities, url.scheme, url.host, url.port, (const char *const[]){"GET", NULL}, one, NULL, WINDLASS_PLAN);
  windlass_ask_http(capabilities, url.scheme, url.host, url.port, (const char *const[]){"DELETE", NULL}, one, NULL,
                    WINDLASS_REVERT);
  windlass_ask_http(capabilities, url.scheme, url.host, url.port, (const char *const[]){"POST", NULL},
                    windlass_format("%s/releases", base), NULL, WINDLASS_APPLY);
  windlass_ask_secret_header(capabilities, with.token, url.origin, WINDLASS_ALWAYS);
  return true;
}

bool windlass_plan(windlass_string *config, windlass_intents *intents, windlass_failure *failure) {
  settings with = read_settings(config);
  char *version;
  bool there;
  if (!read_version(&with, &version, failure) || !is_there(&with, version, &there, failure)) return false;
  if (there) return true;
  windlass_intend(intents, windlass_format("register:%s", version), windlass_format("register `%s`", version), WINDLASS_CHANGES);
  windlass_detail(intents, windlass_format("stamped by `%s`", with.stamp));
  return true;
}

bool windlass_apply(windlass_string *config, windlass_outcome *outcome, windlass_failure *failure) {
  settings with = read_settings(config);
  windlass_completion stamped;
  windlass_response response;
  char *version;
  if (!read_version(&with, &version, failure)) return false;
  if (!windlass_run((const char *const[]){with.stamp, version, NULL}, &stamped, failure)) return false;
  if (stamped.code != 0) {
    windlass_fail(failure, WINDLASS_CHECK_FAILED, "stamp-failed",
                  windlass_format("`%s %s` ended with exit code %d", with.stamp, version, stamped.code));
    windlass_because(failure, trimmed(stamped.errors));
    return windlass_note(failure, "nothing was registered");
  }
  char *stamp = trimmed(stamped.output), *quoted = windlass_json_quote(version);
  windlass_log(WINDLASS_INFO, windlass_format("the stamp is %s", stamp));
  if (!windlass_record(windlass_format("{\"version\":%s}", quoted), failure)) return false;
  char *body = windlass_format("{\"stamp\":%s,\"version\":%s}", windlass_json_quote(stamp), quoted);
  if (!ask(&with, "POST", "/releases", body, 201, 201, &response, failure)) return false;
  char *id = windlass_json_text(windlass_json_of(windlass_text(response.body)), "id", NULL);
  if (id == NULL) return windlass_fail(failure, WINDLASS_UNAVAILABLE, "not-json", "the answer has no `id`");
  windlass_output(outcome, "id", id);
  windlass_output(outcome, "stamp", stamp);
  windlass_output(outcome, "version", version);
  return windlass_done(outcome, windlass_format("registered `%s`", version));
}

bool windlass_probe(windlass_string *config, windlass_strings *records, windlass_verdict *verdict, windlass_failure *failure) {
  settings with = read_settings(config);
  bool there = false;
  if (records->len > 0) {
    char *version = windlass_json_text(windlass_json_of(records->ptr[records->len - 1]), "version", "");
    if (!is_there(&with, version, &there, failure)) return false;
  }
  *verdict = there ? WINDLASS_PLUGIN_TYPES_VERDICT_DONE : WINDLASS_PLUGIN_TYPES_VERDICT_NOT_DONE;
  return true;
}

bool windlass_revert(windlass_string *config, windlass_strings *records, windlass_outcome *outcome, windlass_failure *failure) {
  settings with = read_settings(config);
  windlass_response response;
  for (size_t index = records->len; index > 0; index--) {
    char *version = windlass_json_text(windlass_json_of(records->ptr[index - 1]), "version", "");
    if (!ask(&with, "DELETE", windlass_format("/releases/%s", version), NULL, 204, 404, &response, failure)) return false;
  }
  return windlass_done(outcome, "took back what was registered");
}
