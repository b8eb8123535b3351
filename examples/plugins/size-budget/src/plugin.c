/* Checks that a file is no larger than its budget. */
#include "windlass.h"
#include <string.h>

/* The step's `with`, as JSON Schema: it is checked before anything else is called. */
static const char SCHEMA[] =
    "{ \"type\": \"object\", \"additionalProperties\": false, \"required\": [\"file\", \"most\"], \"properties\": {"
    " \"file\": { \"type\": \"string\", \"minLength\": 1, \"pattern\": \"^[^/].*[^/]$|^[^/]$\","
    "   \"description\": \"The file, relative to the project.\" },"
    " \"most\": { \"type\": \"integer\", \"minimum\": 1, \"description\": \"Its budget, in bytes.\" } } }";

static char *file_of(windlass_string *config) {
  return windlass_json_text(windlass_json_of(*config), "file", "");
}

static uint64_t most_of(windlass_string *config) {
  windlass_json value;
  int64_t most;
  if (!windlass_json_member(windlass_json_of(*config), "most", &value) || !windlass_json_integer(value, &most))
    WINDLASS_PANIC("the schema lets nothing through but whole numbers");
  return (uint64_t)most;
}

/* The directory that a file is in. */
static const char *directory_of(const char *file) {
  char *directory = windlass_format("%s", file), *slash = strrchr(directory, '/');
  if (slash == NULL) return ".";
  *slash = 0;
  return directory;
}

void windlass_describe(windlass_description *description) {
  description->name = windlass_text("size-budget");
  description->version = windlass_text("0.1.0");
  description->summary = windlass_text("Checks that a file is no larger than its budget.");
  description->config_schema = windlass_text(SCHEMA);
}

bool windlass_requires(windlass_string *config, windlass_capabilities *capabilities, windlass_failure *failure) {
  (void)failure;
  /* Also while reverting: a check is made once more after what a run did has been taken back. */
  windlass_ask_directory(capabilities, directory_of(file_of(config)), WINDLASS_READ, WINDLASS_APPLY | WINDLASS_REVERT);
  return true;
}

bool windlass_plan(windlass_string *config, windlass_intents *intents, windlass_failure *failure) {
  (void)failure;
  const char *file = file_of(config);
  uint64_t most = most_of(config);
  /* The file may be built by a step before this one, so there is nothing to look at yet. */
  windlass_intend(intents, windlass_format("%s<=%llu", file, (unsigned long long)most),
                  windlass_format("check that `%s` has at most %llu bytes", file, (unsigned long long)most), WINDLASS_CHECKS);
  return true;
}

bool windlass_apply(windlass_string *config, windlass_outcome *outcome, windlass_failure *failure) {
  const char *file = file_of(config);
  uint64_t most = most_of(config), size;
  if (!windlass_file_size(file, &size, failure)) {
    if (failure->kind == WINDLASS_MISCONFIGURED) windlass_hint(failure, "name a file that is there, or that a step before this one builds");
    return false;
  }
  windlass_string name = windlass_text(file), unit = windlass_text("bytes");
  windlass_plugin_report_metric(&name, (double)size, &unit);
  if (size > most) {
    windlass_fail(failure, WINDLASS_CHECK_FAILED, "over-budget", windlass_format("`%s` is larger than its budget", file));
    windlass_because(failure, windlass_format("it has %llu bytes, and the budget is %llu", (unsigned long long)size,
                                              (unsigned long long)most));
    return windlass_hint(failure, windlass_format("make it %llu bytes smaller, or raise `most` in a change that says why",
                                                  (unsigned long long)(size - most)));
  }
  windlass_output(outcome, "size", windlass_format("%llu", (unsigned long long)size));
  windlass_output(outcome, "left", windlass_format("%llu", (unsigned long long)(most - size)));
  return windlass_done(outcome, windlass_format("`%s` has %llu of %llu bytes", file, (unsigned long long)size,
                                                (unsigned long long)most));
}
