/* Write a Windlass step in C.
 *
 * A plugin defines the six functions that are declared below; `windlass_probe` and `windlass_revert` may be left out, and what left
 * records cannot be taken back then. Each gets the step's `with` as JSON, checked against the schema that `windlass_describe` answers.
 * Those that can fail return whether they did not, and fill in the failure where they did: `return windlass_fail(failure, …)`. Any
 * other function of a plugin is `static`, or declared in a header: so one whose name is misspelt is seen.
 *
 * `windlass-sdk/wit/v0.1.0/step.wit` says what each of them is for. All of the contract is in `step.h`, which is generated
 * from it; here is what makes the usual things short. Nothing has to be freed: a call's memory is gone when it returns.
 */
#ifndef WINDLASS_H
#define WINDLASS_H

#include "step.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Of what includes this; the bindings do not, and declare less. */
#if defined(__clang__)
#pragma clang diagnostic error "-Wmissing-prototypes"
#endif

/* A text with its length. It is UTF-8, and has no zero at its end. */
typedef step_string_t windlass_string;
typedef step_list_string_t windlass_strings;
typedef exports_windlass_plugin_lifecycle_description_t windlass_description;
typedef windlass_plugin_types_capability_t windlass_capability;
typedef exports_windlass_plugin_lifecycle_list_capability_t windlass_capabilities;
typedef exports_windlass_plugin_lifecycle_list_intent_t windlass_intents;
typedef windlass_plugin_types_outcome_t windlass_outcome;
typedef windlass_plugin_types_verdict_t windlass_verdict;
typedef windlass_plugin_types_failure_t windlass_failure;

void windlass_describe(windlass_description *description);
bool windlass_requires(windlass_string *config, windlass_capabilities *capabilities, windlass_failure *failure);
bool windlass_plan(windlass_string *config, windlass_intents *intents, windlass_failure *failure);
bool windlass_apply(windlass_string *config, windlass_outcome *outcome, windlass_failure *failure);
bool windlass_probe(windlass_string *config, windlass_strings *records, windlass_verdict *verdict, windlass_failure *failure);
bool windlass_revert(windlass_string *config, windlass_strings *records, windlass_outcome *outcome, windlass_failure *failure);

/* When a capability is needed. */
enum {
  WINDLASS_PLAN = WINDLASS_PLUGIN_TYPES_PHASES_PLAN,
  WINDLASS_APPLY = WINDLASS_PLUGIN_TYPES_PHASES_APPLY,
  WINDLASS_REVERT = WINDLASS_PLUGIN_TYPES_PHASES_REVERT,
  WINDLASS_ALWAYS = WINDLASS_PLAN | WINDLASS_APPLY | WINDLASS_REVERT,
};

/* Whether a thing may be changed. */
enum { WINDLASS_READ = WINDLASS_PLUGIN_TYPES_ACCESS_READ, WINDLASS_WRITE = WINDLASS_PLUGIN_TYPES_ACCESS_WRITE };

/* What an intent does to the world. */
enum {
  WINDLASS_READS = WINDLASS_PLUGIN_TYPES_EFFECT_READS,
  WINDLASS_CHECKS = WINDLASS_PLUGIN_TYPES_EFFECT_CHECKS,
  WINDLASS_CHANGES = WINDLASS_PLUGIN_TYPES_EFFECT_CHANGES,
  WINDLASS_IRREVERSIBLE = WINDLASS_PLUGIN_TYPES_EFFECT_IRREVERSIBLE,
  WINDLASS_UNKNOWN = WINDLASS_PLUGIN_TYPES_EFFECT_UNKNOWN,
};

/* Whose fault a failure is. */
enum {
  WINDLASS_CHECK_FAILED = WINDLASS_PLUGIN_TYPES_FAILURE_KIND_CHECK_FAILED,
  WINDLASS_MISCONFIGURED = WINDLASS_PLUGIN_TYPES_FAILURE_KIND_MISCONFIGURED,
  WINDLASS_UNAVAILABLE = WINDLASS_PLUGIN_TYPES_FAILURE_KIND_UNAVAILABLE,
  WINDLASS_DENIED = WINDLASS_PLUGIN_TYPES_FAILURE_KIND_DENIED,
  WINDLASS_BUG = WINDLASS_PLUGIN_TYPES_FAILURE_KIND_BUG,
};

/* How much a line of the log matters. */
enum {
  WINDLASS_DEBUG = WINDLASS_PLUGIN_LOG_LEVEL_DEBUG,
  WINDLASS_INFO = WINDLASS_PLUGIN_LOG_LEVEL_INFO,
  WINDLASS_WARN = WINDLASS_PLUGIN_LOG_LEVEL_WARN,
  WINDLASS_ERROR = WINDLASS_PLUGIN_LOG_LEVEL_ERROR,
};

/* --- Texts ------------------------------------------------------------------------------------------------------------- */

/* A text as the contract has it. It is not copied. */
windlass_string windlass_text(const char *text);

/* A text of the contract with a zero at its end. */
char *windlass_copy(windlass_string text);

/* Memory of this size, which begins with what was in the one that is given, or with nothing where that is NULL. Where there is no
 * more of it, the call ends. */
void *windlass_memory(void *memory, size_t size);

/* A text with values in it: %s, %d, %u, %lld, %llu, %zu and %%. */
char *windlass_format(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* --- Failing ----------------------------------------------------------------------------------------------------------- */

/* Fills in a failure, and returns false. `code` is a stable word in kebab case; `message` says what could not be done, and to
 * what, in lower case without a final full stop and with values in backticks. */
bool windlass_fail(windlass_failure *failure, int kind, const char *code, const char *message);

/* One more reason, and one edit or command that helps. These return false, as `windlass_fail` does. */
bool windlass_because(windlass_failure *failure, const char *cause);
bool windlass_hint(windlass_failure *failure, const char *hint);
/* What did and did not change. */
bool windlass_note(windlass_failure *failure, const char *note);

/* Says what is wrong with the plugin itself, and ends the call. */
#define WINDLASS_PANIC(message) windlass_panic(message, __FILE__, __LINE__)
_Noreturn void windlass_panic(const char *message, const char *file, int line);

/* --- Answers ----------------------------------------------------------------------------------------------------------- */

/* Asks for a capability that none of those below makes. */
void windlass_ask(windlass_capabilities *capabilities, windlass_capability capability);

/* To see a directory, relative to the project. */
void windlass_ask_directory(windlass_capabilities *capabilities, const char *path, int access, int phases);

/* To read an environment variable. */
void windlass_ask_environment(windlass_capabilities *capabilities, const char *name, int phases);

/* To run a program with arguments of these patterns (`*` for any one, a last `**` for any number more), which may change these
 * trees and connect nowhere. The lists end with NULL. */
void windlass_ask_exec(windlass_capabilities *capabilities, const char *program, const char *const *arguments,
                       const char *const *writes, int phases);

/* Where a URL leads; its origin is its scheme, host and port, as a secret is granted for it. */
typedef struct {
  char *scheme;
  char *host;
  uint16_t port;
  char *path;
  char *origin;
} windlass_url;

/* Whether a text is a URL of `https` or `http`, and its parts. */
bool windlass_url_of(const char *text, windlass_url *url);

/* To send requests of these methods to a path of a host, or below a path that ends with `/`. The list ends with NULL.
 * `addresses` is `public`, which NULL means, too, `private`, `loopback` or a CIDR. */
void windlass_ask_http(windlass_capabilities *capabilities, const char *scheme, const char *host, uint16_t port,
                       const char *const *methods, const char *path, const char *addresses, int phases);

/* To learn whether a TCP port accepts connections; `addresses` as above. */
void windlass_ask_tcp_probe(windlass_capabilities *capabilities, const char *host, uint16_t port, const char *addresses,
                            int phases);

/* To use a database by a URL that holds no password. */
void windlass_ask_database(windlass_capabilities *capabilities, const char *name, const char *url, int access, int phases);

/* To use a secret in a header of requests to an origin, such as `https://api.example.com`. */
void windlass_ask_secret_header(windlass_capabilities *capabilities, const char *name, const char *origin, int phases);

/* One thing that the step means to do, and more for a person of what was said last. */
void windlass_intend(windlass_intents *intents, const char *id, const char *summary, int effect);
void windlass_detail(windlass_intents *intents, const char *detail);

/* What came of the step, and a value for later steps. */
bool windlass_done(windlass_outcome *outcome, const char *summary);
void windlass_output(windlass_outcome *outcome, const char *name, const char *value);

/* --- JSON -------------------------------------------------------------------------------------------------------------- */

/* A value in a text of JSON. The host hands over nothing that is not JSON, so reading it is finding the places in it. */
typedef struct {
  const char *at;
  const char *end;
} windlass_json;

windlass_json windlass_json_of(windlass_string text);
/* Whether an object has a member, and its value. */
bool windlass_json_member(windlass_json object, const char *name, windlass_json *value);
/* Whether an array has an element, counted from 0, and its value. */
bool windlass_json_element(windlass_json array, size_t index, windlass_json *value);
/* Whether it is a text, and which; whether it is a whole number, and which; whether it is `true`. */
bool windlass_json_string(windlass_json value, char **text);
bool windlass_json_integer(windlass_json value, int64_t *number);
bool windlass_json_is_true(windlass_json value);
/* A member of an object that is a text, or what is said to take its place. */
char *windlass_json_text(windlass_json object, const char *name, const char *otherwise);
/* A text as JSON, with its quotation marks. */
char *windlass_json_quote(const char *text);

/* --- The host ---------------------------------------------------------------------------------------------------------- */

void windlass_log(int level, const char *message);

/* Appends one value of JSON to the journal, for `windlass_revert`. It is on disk when this returns. */
bool windlass_record(const char *json, windlass_failure *failure);

/* The stand-in of a granted secret, which the host replaces at the place that it was granted for; NULL where it is not set. */
bool windlass_secret(const char *name, char **placeholder, windlass_failure *failure);

/* How a program ended (-1 where a signal ended it), what it wrote to standard output and to standard error, and its last words. */
typedef struct {
  int code;
  char *output;
  char *errors;
  char *tail;
} windlass_completion;

/* Runs a program, and waits for its end; its words end with NULL. An exit code other than 0 is no failure of this call. */
bool windlass_run(const char *const *words, windlass_completion *completion, windlass_failure *failure);

/* Files of granted directories, by their paths relative to the project. */
bool windlass_file_size(const char *path, uint64_t *size, windlass_failure *failure);
bool windlass_read_file(const char *path, char **text, size_t *length, windlass_failure *failure);
bool windlass_write_file(const char *path, const char *text, size_t length, windlass_failure *failure);

/* What a server answered. */
typedef struct {
  int status;
  char *body;
  size_t length;
} windlass_response;

/* Sends a request to a granted host. `headers` are names and values by turns, and end with NULL; `body` may be NULL. */
bool windlass_send(const char *method, const char *url, const char *const *headers, const char *body,
                   windlass_response *response, windlass_failure *failure);

#endif
