/* See windlass.h. Files and HTTP, as WASI 0.2 has them: what was granted, and nothing else. */
#include "windlass.h"
#include <string.h>

/* --- Files ------------------------------------------------------------------------------------------------------------- */

/* What is left of a path below a granted directory; NULL where it is not below it. `.` is the project, and everything in it. */
static const char *below(const char *path, windlass_string directory) {
  if (directory.len == 1 && directory.ptr[0] == '.') return path;
  if (strncmp(path, (const char *)directory.ptr, directory.len) != 0) return NULL;
  if (path[directory.len] == 0) return ".";
  return path[directory.len] == '/' ? path + directory.len + 1 : NULL;
}

/* The function that is called, where it may change nothing: `plan` or `probe`. It is set in windlass.c. */
extern const char *windlass_looking;

static bool is_too_early(const char *what) {
  return windlass_looking != NULL && strcmp(what, "read") != 0 && strcmp(what, "looked at") != 0;
}

static bool too_early(windlass_failure *failure) {
  return windlass_hint(failure, windlass_format("in `%s` every directory is read-only: do it in `apply`", windlass_looking));
}

static bool file_failed(const char *what, const char *path, wasi_filesystem_types_error_code_t code, windlass_failure *failure) {
  char *message = windlass_format("`%s` cannot be %s", path, what);
  switch (code) {
    case WASI_FILESYSTEM_TYPES_ERROR_CODE_NO_ENTRY:
      windlass_fail(failure, WINDLASS_MISCONFIGURED, "file-not-found", message);
      return windlass_because(failure, "there is no such file");
    case WASI_FILESYSTEM_TYPES_ERROR_CODE_ACCESS:
    case WASI_FILESYSTEM_TYPES_ERROR_CODE_NOT_PERMITTED:
    case WASI_FILESYSTEM_TYPES_ERROR_CODE_READ_ONLY:
      windlass_fail(failure, WINDLASS_DENIED, "file-denied", message);
      windlass_because(failure, "that is not granted");
      if (is_too_early(what)) too_early(failure);
      return false;
    case WASI_FILESYSTEM_TYPES_ERROR_CODE_IS_DIRECTORY:
      windlass_fail(failure, WINDLASS_MISCONFIGURED, "file-unusable", message);
      return windlass_because(failure, "it is a directory");
    default:
      windlass_fail(failure, WINDLASS_UNAVAILABLE, "file-unusable", message);
      return windlass_because(failure, windlass_format("WASI's error %d", code));
  }
}

/* The granted directories. WASI opens each anew for whoever asks, so that is done once. */
static wasi_filesystem_preopens_list_tuple2_own_descriptor_string_t granted_directories(void) {
  static wasi_filesystem_preopens_list_tuple2_own_descriptor_string_t granted;
  static bool known;
  if (!known) wasi_filesystem_preopens_get_directories(&granted);
  known = true;
  return granted;
}

/* The granted directory that a path is in, and the rest of the path. */
static bool find(const char *what, const char *path, wasi_filesystem_types_borrow_descriptor_t *directory,
                 windlass_string *rest, windlass_failure *failure) {
  wasi_filesystem_preopens_list_tuple2_own_descriptor_string_t granted = granted_directories();
  if (strncmp(path, "./", 2) == 0) path += 2;
  for (size_t index = 0; index < granted.len; index++) {
    const char *name = below(path, granted.ptr[index].f1);
    if (name == NULL) continue;
    *directory = wasi_filesystem_types_borrow_descriptor(granted.ptr[index].f0);
    *rest = windlass_text(name);
    return true;
  }
  windlass_fail(failure, WINDLASS_DENIED, "file-denied", windlass_format("`%s` cannot be %s", path, what));
  windlass_because(failure, "no directory that it is in is granted in this phase");
  if (is_too_early(what)) return too_early(failure);
  return windlass_hint(failure, "ask for the directory in `windlass_requires`, with `windlass_ask_directory`");
}

/* Whoever opens a file drops it: there may not be many open at once. */
static bool open(const char *what, const char *path, wasi_filesystem_types_open_flags_t how,
                 wasi_filesystem_types_descriptor_flags_t access, wasi_filesystem_types_own_descriptor_t *file,
                 windlass_failure *failure) {
  wasi_filesystem_types_borrow_descriptor_t directory;
  wasi_filesystem_types_error_code_t error;
  windlass_string rest;
  if (!find(what, path, &directory, &rest, failure)) return false;
  if (!wasi_filesystem_types_method_descriptor_open_at(directory, WASI_FILESYSTEM_TYPES_PATH_FLAGS_SYMLINK_FOLLOW, &rest, how,
                                                       access, file, &error))
    return file_failed(what, path, error, failure);
  return true;
}

bool windlass_file_size(const char *path, uint64_t *size, windlass_failure *failure) {
  wasi_filesystem_types_borrow_descriptor_t directory;
  wasi_filesystem_types_descriptor_stat_t found;
  wasi_filesystem_types_error_code_t error;
  windlass_string rest;
  if (!find("looked at", path, &directory, &rest, failure)) return false;
  if (!wasi_filesystem_types_method_descriptor_stat_at(directory, WASI_FILESYSTEM_TYPES_PATH_FLAGS_SYMLINK_FOLLOW, &rest,
                                                       &found, &error))
    return file_failed("looked at", path, error, failure);
  if (found.type == WASI_FILESYSTEM_TYPES_DESCRIPTOR_TYPE_DIRECTORY)
    return file_failed("looked at", path, WASI_FILESYSTEM_TYPES_ERROR_CODE_IS_DIRECTORY, failure);
  *size = found.size;
  return true;
}

bool windlass_read_file(const char *path, char **text, size_t *length, windlass_failure *failure) {
  wasi_filesystem_types_own_descriptor_t file;
  wasi_filesystem_types_error_code_t error;
  if (!open("read", path, 0, WASI_FILESYSTEM_TYPES_DESCRIPTOR_FLAGS_READ, &file, failure)) return false;
  char *whole = NULL;
  size_t had = 0;
  for (;;) {
    step_tuple2_list_u8_bool_t part;
    if (!wasi_filesystem_types_method_descriptor_read(wasi_filesystem_types_borrow_descriptor(file), 65536, had, &part, &error)) {
      wasi_filesystem_types_descriptor_drop_own(file);
      return file_failed("read", path, error, failure);
    }
    whole = windlass_memory(whole, had + part.f0.len + 1);
    memcpy(whole + had, part.f0.ptr, part.f0.len);
    had += part.f0.len;
    if (part.f1 || part.f0.len == 0) break;
  }
  wasi_filesystem_types_descriptor_drop_own(file);
  whole[had] = 0;
  *text = whole;
  *length = had;
  return true;
}

bool windlass_write_file(const char *path, const char *text, size_t length, windlass_failure *failure) {
  wasi_filesystem_types_own_descriptor_t file;
  wasi_filesystem_types_error_code_t error;
  if (!open("written", path, WASI_FILESYSTEM_TYPES_OPEN_FLAGS_CREATE | WASI_FILESYSTEM_TYPES_OPEN_FLAGS_TRUNCATE,
            WASI_FILESYSTEM_TYPES_DESCRIPTOR_FLAGS_WRITE, &file, failure))
    return false;
  for (size_t done = 0; done < length;) {
    step_list_u8_t rest = {(uint8_t *)text + done, length - done};
    wasi_filesystem_types_filesize_t written;
    if (!wasi_filesystem_types_method_descriptor_write(wasi_filesystem_types_borrow_descriptor(file), &rest, done, &written,
                                                       &error)) {
      wasi_filesystem_types_descriptor_drop_own(file);
      return file_failed("written", path, error, failure);
    }
    done += (size_t)written;
  }
  wasi_filesystem_types_descriptor_drop_own(file);
  return true;
}

/* --- HTTP -------------------------------------------------------------------------------------------------------------- */

static bool http_failed(const char *method, const char *url, const wasi_http_types_error_code_t *error,
                        windlass_failure *failure) {
  const char *code = "failed", *what = "the request failed";
  switch (error->tag) {
    case WASI_HTTP_TYPES_ERROR_CODE_HTTP_REQUEST_DENIED:
    case WASI_HTTP_TYPES_ERROR_CODE_DESTINATION_IP_PROHIBITED:
      windlass_fail(failure, WINDLASS_DENIED, "http-denied", windlass_format("`%s %s` was denied", method, url));
      return false;
    case WASI_HTTP_TYPES_ERROR_CODE_DNS_TIMEOUT:
    case WASI_HTTP_TYPES_ERROR_CODE_DNS_ERROR:
    case WASI_HTTP_TYPES_ERROR_CODE_DESTINATION_NOT_FOUND: code = "dns", what = "no such host"; break;
    case WASI_HTTP_TYPES_ERROR_CODE_CONNECTION_REFUSED: code = "connection-refused", what = "the connection was refused"; break;
    case WASI_HTTP_TYPES_ERROR_CODE_CONNECTION_TIMEOUT:
    case WASI_HTTP_TYPES_ERROR_CODE_CONNECTION_READ_TIMEOUT:
    case WASI_HTTP_TYPES_ERROR_CODE_HTTP_RESPONSE_TIMEOUT: code = "timed-out", what = "nothing was answered in time"; break;
    case WASI_HTTP_TYPES_ERROR_CODE_TLS_PROTOCOL_ERROR:
    case WASI_HTTP_TYPES_ERROR_CODE_TLS_CERTIFICATE_ERROR:
    case WASI_HTTP_TYPES_ERROR_CODE_TLS_ALERT_RECEIVED: code = "tls", what = "TLS failed"; break;
    case WASI_HTTP_TYPES_ERROR_CODE_CONNECTION_TERMINATED:
    case WASI_HTTP_TYPES_ERROR_CODE_HTTP_RESPONSE_INCOMPLETE: code = "closed", what = "the connection was closed"; break;
    default: break;
  }
  return windlass_fail(failure, WINDLASS_UNAVAILABLE, code, windlass_format("`%s %s`: %s", method, url, what));
}

bool windlass_url_of(const char *text, windlass_url *url) {
  bool secure = strncmp(text, "https://", 8) == 0;
  if (!secure && strncmp(text, "http://", 7) != 0) return false;
  const char *host = text + (secure ? 8 : 7), *end = host;
  /* The address of an IPv6 host has colons between its brackets. */
  if (*end == '[') end = strchr(end, ']') == NULL ? end : strchr(end, ']') + 1;
  while (*end != 0 && *end != ':' && *end != '/' && *end != '?' && *end != '#') end++;
  if (end == host) return false;
  /* A name before the host, or a password, has no place in a URL. */
  for (const char *at = host; at < end; at++)
    if (*at == '@') return false;
  url->scheme = windlass_format("%s", secure ? "https" : "http");
  url->host = windlass_copy((windlass_string){(uint8_t *)host, (size_t)(end - host)});
  uint32_t port = secure ? 443 : 80;
  if (*end == ':') {
    port = 0;
    for (end++; *end >= '0' && *end <= '9'; end++)
      if ((port = port * 10 + (uint32_t)(*end - '0')) > 65535) return false;
    if (port == 0) return false;
  }
  if (*end != 0 && *end != '/') return false;
  url->port = (uint16_t)port;
  url->path = windlass_format("%s", *end == 0 ? "/" : end);
  url->origin = port == (secure ? 443 : 80) ? windlass_format("%s://%s", url->scheme, url->host)
                                            : windlass_format("%s://%s:%u", url->scheme, url->host, (unsigned)port);
  return true;
}

static bool invalid(const char *what, const char *url, windlass_failure *failure) {
  windlass_fail(failure, WINDLASS_MISCONFIGURED, "invalid-request", windlass_format("a request to `%s` cannot be sent", url));
  return windlass_because(failure, what);
}

static bool write_body(wasi_http_types_own_outgoing_body_t body, const char *text) {
  wasi_http_types_own_output_stream_t stream;
  wasi_io_streams_stream_error_t error;
  if (!wasi_http_types_method_outgoing_body_write(wasi_http_types_borrow_outgoing_body(body), &stream)) return false;
  wasi_io_streams_borrow_output_stream_t out = wasi_io_streams_borrow_output_stream(stream);
  bool written = true;
  /* The most that one call may write. */
  for (size_t done = 0, length = strlen(text); written && done < length;) {
    size_t part = length - done < 4096 ? length - done : 4096;
    step_list_u8_t bytes = {(uint8_t *)text + done, part};
    written = wasi_io_streams_method_output_stream_blocking_write_and_flush(out, &bytes, &error);
    done += part;
  }
  if (!written && error.tag == WASI_IO_STREAMS_STREAM_ERROR_LAST_OPERATION_FAILED)
    wasi_io_error_error_drop_own(error.val.last_operation_failed);
  wasi_io_streams_output_stream_drop_own(stream);
  return written;
}

bool windlass_send(const char *method, const char *url, const char *const *headers, const char *body,
                   windlass_response *response, windlass_failure *failure) {
  bool secure = strncmp(url, "https://", 8) == 0;
  if (!secure && strncmp(url, "http://", 7) != 0) return invalid("its URL does not begin with `https://` or `http://`", url, failure);
  const char *authority = url + (secure ? 8 : 7), *path = strchr(authority, '/');
  windlass_string host = {(uint8_t *)authority, path == NULL ? strlen(authority) : (size_t)(path - authority)};
  windlass_string rest = windlass_text(path == NULL ? "/" : path);

  wasi_http_types_own_fields_t fields = wasi_http_types_constructor_fields();
  for (; headers != NULL && headers[0] != NULL; headers += 2) {
    windlass_string name = windlass_text(headers[0]);
    wasi_http_types_field_value_t value = {(uint8_t *)headers[1], strlen(headers[1])};
    wasi_http_types_header_error_t error;
    if (!wasi_http_types_method_fields_append(wasi_http_types_borrow_fields(fields), &name, &value, &error)) {
      wasi_http_types_fields_drop_own(fields);
      return invalid(windlass_format("its header `%s` may not be set", headers[0]), url, failure);
    }
  }
  wasi_http_types_own_outgoing_request_t request = wasi_http_types_constructor_outgoing_request(fields);
  wasi_http_types_borrow_outgoing_request_t made = wasi_http_types_borrow_outgoing_request(request);
  wasi_http_types_method_t verb = {.tag = WASI_HTTP_TYPES_METHOD_OTHER, .val.other = windlass_text(method)};
  wasi_http_types_scheme_t scheme = {.tag = secure ? WASI_HTTP_TYPES_SCHEME_HTTPS : WASI_HTTP_TYPES_SCHEME_HTTP};
  static const char *const methods[] = {"GET", "HEAD", "POST", "PUT", "DELETE", "CONNECT", "OPTIONS", "TRACE", "PATCH"};
  for (uint8_t index = 0; index < sizeof methods / sizeof *methods; index++)
    if (strcmp(method, methods[index]) == 0) verb.tag = index;
  if (!wasi_http_types_method_outgoing_request_set_method(made, &verb) ||
      !wasi_http_types_method_outgoing_request_set_scheme(made, &scheme) ||
      !wasi_http_types_method_outgoing_request_set_authority(made, &host) ||
      !wasi_http_types_method_outgoing_request_set_path_with_query(made, &rest)) {
    wasi_http_types_outgoing_request_drop_own(request);
    return invalid("its method or URL is not one", url, failure);
  }

  wasi_http_types_own_outgoing_body_t out;
  wasi_http_outgoing_handler_own_future_incoming_response_t future;
  wasi_http_types_error_code_t error;
  if (!wasi_http_types_method_outgoing_request_body(made, &out)) {
    wasi_http_types_outgoing_request_drop_own(request);
    return invalid("it has no place for a body", url, failure);
  }
  if (!wasi_http_outgoing_handler_handle(request, NULL, &future, &error)) {
    wasi_http_types_outgoing_body_drop_own(out);
    return http_failed(method, url, &error, failure);
  }
  /* Where the body cannot be written, the answer says why. */
  if (body == NULL || write_body(out, body))
    (void)wasi_http_types_static_outgoing_body_finish(out, NULL, &error);
  else
    wasi_http_types_outgoing_body_drop_own(out);

  wasi_http_types_borrow_future_incoming_response_t waits = wasi_http_types_borrow_future_incoming_response(future);
  wasi_io_poll_own_pollable_t ready = wasi_http_types_method_future_incoming_response_subscribe(waits);
  wasi_io_poll_method_pollable_block(wasi_io_poll_borrow_pollable(ready));
  wasi_io_poll_pollable_drop_own(ready);
  wasi_http_types_result_result_own_incoming_response_error_code_void_t answered;
  if (!wasi_http_types_method_future_incoming_response_get(waits, &answered) || answered.is_err)
    WINDLASS_PANIC("an answer that is there cannot be taken");
  wasi_http_types_future_incoming_response_drop_own(future);
  if (answered.val.ok.is_err) return http_failed(method, url, &answered.val.ok.val.err, failure);

  wasi_http_types_borrow_incoming_response_t answer = wasi_http_types_borrow_incoming_response(answered.val.ok.val.ok);
  wasi_http_types_own_incoming_body_t incoming;
  wasi_http_types_own_input_stream_t stream;
  *response = (windlass_response){wasi_http_types_method_incoming_response_status(answer), windlass_memory(NULL, 1), 0};
  if (!wasi_http_types_method_incoming_response_consume(answer, &incoming) ||
      !wasi_http_types_method_incoming_body_stream(wasi_http_types_borrow_incoming_body(incoming), &stream))
    WINDLASS_PANIC("the body of an answer cannot be taken");
  step_list_u8_t part;
  wasi_io_streams_stream_error_t ended;
  while (wasi_io_streams_method_input_stream_blocking_read(wasi_io_streams_borrow_input_stream(stream), 65536, &part, &ended)) {
    response->body = windlass_memory(response->body, response->length + part.len + 1);
    memcpy(response->body + response->length, part.ptr, part.len);
    response->length += part.len;
  }
  response->body[response->length] = 0;
  /* What is asked for once is given back, so that there may be many requests. */
  wasi_io_streams_input_stream_drop_own(stream);
  wasi_http_types_incoming_body_drop_own(incoming);
  wasi_http_types_incoming_response_drop_own(answered.val.ok.val.ok);
  if (ended.tag == WASI_IO_STREAMS_STREAM_ERROR_CLOSED) return true;
  wasi_io_error_error_drop_own(ended.val.last_operation_failed);
  error.tag = WASI_HTTP_TYPES_ERROR_CODE_HTTP_RESPONSE_INCOMPLETE;
  return http_failed(method, url, &error, failure);
}
