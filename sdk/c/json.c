/* See windlass.h. What is read is JSON already, as the host hands it over; where it is not, nothing is found in it, and nothing
 * beyond its end is read. */
#include "windlass.h"
#include <string.h>

static const char *space(const char *at, const char *end) {
  while (at < end && (*at == ' ' || *at == '\n' || *at == '\t' || *at == '\r')) at++;
  return at;
}

static const char *skip_string(const char *at, const char *end) {
  for (at++; at < end && *at != '"'; at++)
    if (*at == '\\') at++;
  return at < end ? at + 1 : end;
}

/* The end of the value that begins here. */
static const char *skip(const char *at, const char *end) {
  if (at < end && *at == '"') return skip_string(at, end);
  if (at < end && (*at == '{' || *at == '[')) {
    size_t depth = 0;
    while (at < end) {
      if (*at == '"') {
        at = skip_string(at, end);
        continue;
      }
      if (*at == '{' || *at == '[') depth++;
      if ((*at == '}' || *at == ']') && --depth == 0) return at + 1;
      at++;
    }
    return end;
  }
  while (at < end && *at != ',' && *at != '}' && *at != ']' && *at != ' ' && *at != '\n' && *at != '\r' && *at != '\t') at++;
  return at;
}

windlass_json windlass_json_of(windlass_string text) {
  const char *at = (const char *)text.ptr, *end = at + text.len;
  at = space(at, end);
  return (windlass_json){at, skip(at, end)};
}

bool windlass_json_member(windlass_json object, const char *name, windlass_json *value) {
  const char *at = object.at, *end = object.end;
  if (at >= end || *at != '{') return false;
  at = space(at + 1, end);
  while (at < end && *at == '"') {
    windlass_json key = {at, skip_string(at, end)};
    at = space(key.end, end);
    if (at >= end || *at != ':') return false;
    at = space(at + 1, end);
    windlass_json found = {at, skip(at, end)};
    char *text;
    if (windlass_json_string(key, &text) && strcmp(text, name) == 0) {
      *value = found;
      return true;
    }
    at = space(found.end, end);
    if (at < end && *at == ',') at = space(at + 1, end);
  }
  return false;
}

bool windlass_json_element(windlass_json array, size_t index, windlass_json *value) {
  const char *at = array.at, *end = array.end;
  if (at >= end || *at != '[') return false;
  at = space(at + 1, end);
  while (at < end && *at != ']') {
    windlass_json found = {at, skip(at, end)};
    if (found.end == found.at) return false;
    if (index-- == 0) {
      *value = found;
      return true;
    }
    at = space(found.end, end);
    if (at < end && *at == ',') at = space(at + 1, end);
  }
  return false;
}

static uint32_t hexadecimal(const char *at, const char *end) {
  uint32_t number = 0;
  for (int digit = 0; digit < 4 && at < end; digit++, at++) {
    uint32_t low = (uint32_t)(unsigned char)*at | 0x20;
    number = number * 16 + (low >= 'a' ? low - 'a' + 10 : low - ('0' | 0x20));
  }
  return number;
}

static char *encode(char *out, uint32_t character) {
  if (character < 0x80) *out++ = (char)character;
  else if (character < 0x800) {
    *out++ = (char)(0xc0 | character >> 6);
    *out++ = (char)(0x80 | (character & 0x3f));
  } else if (character < 0x10000) {
    *out++ = (char)(0xe0 | character >> 12);
    *out++ = (char)(0x80 | (character >> 6 & 0x3f));
    *out++ = (char)(0x80 | (character & 0x3f));
  } else {
    *out++ = (char)(0xf0 | character >> 18);
    *out++ = (char)(0x80 | (character >> 12 & 0x3f));
    *out++ = (char)(0x80 | (character >> 6 & 0x3f));
    *out++ = (char)(0x80 | (character & 0x3f));
  }
  return out;
}

bool windlass_json_string(windlass_json value, char **text) {
  const char *at = value.at, *end = value.end;
  if (at >= end || *at != '"') return false;
  /* What is written with escapes is never shorter than what it means. */
  char *out = *text = windlass_memory(NULL, (size_t)(end - at) + 1);
  for (at++; at < end && *at != '"'; at++) {
    if (*at != '\\') {
      *out++ = *at;
      continue;
    }
    if (++at >= end) break;
    switch (*at) {
      case 'b': *out++ = '\b'; break;
      case 'f': *out++ = '\f'; break;
      case 'n': *out++ = '\n'; break;
      case 'r': *out++ = '\r'; break;
      case 't': *out++ = '\t'; break;
      case 'u': {
        uint32_t character = hexadecimal(at + 1, end);
        at += 4;
        if (character >= 0xd800 && character < 0xdc00 && end - at > 6 && at[1] == '\\' && at[2] == 'u') {
          character = 0x10000 + ((character - 0xd800) << 10) + (hexadecimal(at + 3, end) - 0xdc00);
          at += 6;
        }
        out = encode(out, character);
        break;
      }
      default: *out++ = *at;
    }
  }
  *out = 0;
  return true;
}

bool windlass_json_integer(windlass_json value, int64_t *number) {
  const char *at = value.at;
  bool negative = at < value.end && *at == '-';
  if (negative) at++;
  if (at >= value.end) return false;
  uint64_t sum = 0, most = (uint64_t)INT64_MAX + (negative ? 1 : 0);
  for (; at < value.end; at++) {
    if (*at < '0' || *at > '9') return false;
    uint64_t digit = (uint64_t)(*at - '0');
    if (sum > (most - digit) / 10) return false;
    sum = sum * 10 + digit;
  }
  *number = (int64_t)(negative ? -sum : sum);
  return true;
}

bool windlass_json_is_true(windlass_json value) {
  return value.end - value.at == 4 && memcmp(value.at, "true", 4) == 0;
}

char *windlass_json_text(windlass_json object, const char *name, const char *otherwise) {
  windlass_json value;
  char *text;
  if (windlass_json_member(object, name, &value) && windlass_json_string(value, &text)) return text;
  return (char *)otherwise;
}

char *windlass_json_quote(const char *text) {
  /* Six characters for each at most. */
  char *quoted = windlass_memory(NULL, strlen(text) * 6 + 3), *out = quoted;
  *out++ = '"';
  for (; *text != 0; text++) {
    unsigned char byte = (unsigned char)*text;
    if (byte == '"' || byte == '\\') *out++ = '\\';
    if (byte >= 0x20) *out++ = (char)byte;
    else {
      const char *digits = "0123456789abcdef";
      memcpy(out, "\\u00", 4);
      out[4] = digits[byte >> 4];
      out[5] = digits[byte & 15];
      out += 6;
    }
  }
  *out++ = '"';
  *out = 0;
  return quoted;
}
