//! The forms in which a secret turns up in output: as it is, encoded, escaped, line by line, and the parts of a URL.

use super::{SHORT, SHORTEST};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE_NO_PAD};
use zeroize::Zeroizing;

/// One form of a secret, overwritten when dropped.
pub(super) type Form = Zeroizing<Vec<u8>>;

/// Adds every form of `secret` to `forms`. Forms may repeat.
pub(super) fn forms(secret: &str, forms: &mut Vec<Form>) {
    for value in &values(secret) {
        whole(value, forms);
        if is_several(value) {
            lines(value, forms);
            encoded_lines(value, forms);
        }
    }
}

/// Adds what whoever knows encodings has to know of `secret`: the value, or its lines where it has several, and the parts of a URL.
pub(super) fn pieces(secret: &str, forms: &mut Vec<Form>) {
    for value in &values(secret) {
        if is_several(value) {
            lines(value, forms);
        } else {
            add(value.trim(), SHORTEST, forms);
        }
    }
}

fn values(secret: &str) -> Vec<Zeroizing<String>> {
    let mut values = vec![secret.to_owned(), secret.trim().to_owned()];
    values.extend(url_parts(secret.trim()));
    values.into_iter().map(Zeroizing::new).collect()
}

fn is_several(value: &str) -> bool {
    value.trim().contains(['\n', '\r'])
}

/// Adds a form unless it would hit by chance.
fn add(form: impl Into<Vec<u8>>, shortest: usize, forms: &mut Vec<Form>) {
    let form = Zeroizing::new(form.into());
    if form.len() >= shortest {
        forms.push(form);
    }
}

/// A value as one piece, in every encoding.
fn whole(value: &str, forms: &mut Vec<Form>) {
    add(value, SHORTEST, forms);
    let mut encoded = |form: String| add(form, SHORT, forms);
    for form in hex_forms(value).into_iter().chain(base64_forms(value.as_bytes())) {
        encoded(form);
    }
    if value.len() <= SPELT_OUT {
        for form in spelt_out_forms(value) {
            encoded(form);
        }
    }
    // Where nothing had to be escaped these are the value again, which is why they are worth no more than `SHORTEST`.
    for form in percent_forms(value).into_iter().chain(escaped_forms(value)) {
        add(form, SHORTEST, forms);
    }
}

/// The lines of a value of several, such as a private key, each by itself: programs print them indented, or one by one, and
/// encode what they have read of it.
fn lines(value: &str, forms: &mut Vec<Form>) {
    for line in value.split(['\n', '\r']).map(str::trim) {
        // `-----BEGIN PRIVATE KEY-----` is no secret, and neither is a lone brace.
        if line.chars().count() >= SHORT && !line.starts_with("-----") {
            add(line, SHORT, forms);
        }
    }
}

/// The same, encoded.
fn encoded_lines(value: &str, forms: &mut Vec<Form>) {
    let mut lines_of = vec![];
    lines(value, &mut lines_of);
    for line in lines_of.iter().filter_map(|line| std::str::from_utf8(line).ok()) {
        for form in hex_forms(line).into_iter().chain(base64_forms(line.as_bytes())) {
            add(form, SHORT, forms);
        }
    }
}

/// The longest value that is known with each of its characters escaped, in bytes. Of a longer one that takes so much room that
/// every search for it takes longer, and it is known line by line.
const SPELT_OUT: usize = 256;

/// Hexadecimal digits, in both cases.
fn hex_forms(value: &str) -> [String; 2] {
    [hex::encode(value), hex::encode_upper(value)]
}

/// Each byte or character by itself: hexadecimal with something between, percent-encoded, and as JSON may spell it.
fn spelt_out_forms(value: &str) -> Vec<String> {
    let bytes = |before: &str, between: &str| {
        let bytes: Vec<String> = value.bytes().map(|byte| format!("{before}{byte:02x}")).collect();
        bytes.join(between)
    };
    let mut forms = vec![bytes("", ":"), bytes("", " "), bytes("", "-"), bytes("%", ""), bytes("\\x", "")];
    forms.push(value.chars().map(utf16).collect());
    let upper: Vec<String> =
        forms.iter().map(|form| form.to_ascii_uppercase().replace("\\X", "\\x").replace("\\U", "\\u")).collect();
    forms.extend(upper);
    forms
}

/// Base64 of `value` by itself, and the characters that depend on it alone where it stands in the middle of something
/// that was encoded as a whole, such as `user:password`: one for each of the three ways it can fall on groups of three
/// bytes. Both alphabets; also in lines of 64 and 76 characters, as `openssl` and `base64` print it, and in the JSON of
/// writers that escape slashes.
fn base64_forms(value: &[u8]) -> Vec<String> {
    let mut forms = vec![];
    for engine in [STANDARD_NO_PAD, URL_SAFE_NO_PAD] {
        let alone = engine.encode(value);
        for width in [64, 76].into_iter().filter(|width| alone.len() > *width) {
            forms.extend(alone.as_bytes().chunks(width).map(|line| String::from_utf8_lossy(line).into_owned()));
        }
        if !value.len().is_multiple_of(3) {
            forms.push(format!("{alone}{}", "=".repeat(3 - value.len() % 3)));
        }
        forms.push(alone);
        for before in 0..3 {
            let mut padded = Zeroizing::new(vec![0; before]);
            padded.extend_from_slice(value);
            let text = engine.encode(&*padded);
            let first = (before * 8).div_ceil(6);
            let last = padded.len() * 8 / 6;
            forms.push(text[first..last.max(first)].to_owned());
        }
    }
    let escaped: Vec<String> =
        forms.iter().filter(|form| form.contains('/')).map(|form| form.replace('/', "\\/")).collect();
    forms.extend(escaped);
    forms
}

/// Percent-encoded as the usual encoders do it, which disagree about what has to be encoded.
fn percent_forms(value: &str) -> Vec<String> {
    // RFC 3986 unreserved; JavaScript's `encodeURIComponent`, then `encodeURI`; a path; HTML forms.
    let kept = ["-_.~", "-_.!~*'()", "-_.!~*'();,/?:@&=+$#", "-_.~/", "-_.*"];
    let mut forms = vec![];
    for kept in kept {
        let mut upper = String::new();
        for byte in value.bytes() {
            if byte.is_ascii_alphanumeric() || kept.as_bytes().contains(&byte) {
                upper.push(char::from(byte));
            } else {
                upper.push_str(&format!("%{byte:02X}"));
            }
        }
        forms.push(upper.replace("%20", "+"));
        forms.push(lower_escapes(&upper));
        forms.push(upper);
    }
    forms
}

/// `%2F` as `%2f`.
fn lower_escapes(text: &str) -> String {
    let mut parts = text.split('%');
    let mut lower = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let (code, rest) = part.split_at(part.len().min(2));
        lower.push('%');
        lower.push_str(&code.to_ascii_lowercase());
        lower.push_str(rest);
    }
    lower
}

/// As it stands inside a JSON string (as different writers escape it, and once more for JSON in JSON), in a debug print,
/// and between a shell's single quotes.
fn escaped_forms(value: &str) -> Vec<String> {
    let json = |text: &str| {
        let quoted = serde_json::to_string(text).unwrap_or_default();
        quoted.get(1..quoted.len().saturating_sub(1)).unwrap_or_default().to_owned()
    };
    let plain = json(value);
    let ascii: String =
        plain.chars().map(|letter| if letter.is_ascii() { letter.into() } else { utf16(letter) }).collect();
    let html: String =
        plain.chars().map(|letter| if "<>&".contains(letter) { utf16(letter) } else { letter.into() }).collect();
    vec![
        json(&plain),
        ascii.replace('/', "\\/"),
        plain.replace('/', "\\/"),
        ascii,
        html,
        plain,
        value.escape_debug().to_string(),
        value.replace('\'', r"'\''"),
    ]
}

/// A character as `\uXXXX`, in two where one does not do.
fn utf16(letter: char) -> String {
    letter.encode_utf16(&mut [0; 2]).iter().map(|unit| format!("\\u{unit:04x}")).collect()
}

/// The parts of a URL that are secret by themselves, raw and decoded: the password (or the user name where it stands
/// alone, as tokens do), values of telling parameters, and the path where it is long enough to be what makes the URL a
/// secret. Lenient, because passwords are often put into URLs without being encoded.
fn url_parts(value: &str) -> Vec<String> {
    let Some((scheme, rest)) = value.split_once("://") else { return vec![] };
    if scheme.is_empty() || value.contains(char::is_whitespace) {
        return vec![];
    }
    let mut parts = vec![];
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    let mut credentials = false;
    // The second is for a password with a slash in it.
    for before in [authority.rsplit_once('@'), rest.rsplit_once('@')].into_iter().flatten().map(|(before, _)| before) {
        credentials = true;
        match before.split_once(':') {
            Some((user, "" | "x-oauth-basic")) => parts.push(user),
            Some((_, password)) => parts.push(password),
            None => parts.push(before),
        }
    }
    let target = &rest[authority.len()..];
    let path = target.split(['?', '#']).next().unwrap_or_default();
    if !credentials && path.len() >= 12 {
        parts.push(path);
        parts.extend(path.rsplit('/').next().filter(|last| last.len() >= 16));
    }
    for (key, value) in target.split(['?', '&', '#']).filter_map(|pair| pair.split_once('=')) {
        let key = key.to_ascii_lowercase();
        let telling = ["pass", "pwd", "token", "secret", "key", "sig", "auth", "code"];
        if telling.iter().any(|word| key.contains(word)) {
            parts.push(value);
        }
    }
    let decoded = parts.iter().map(|part| percent_decoded(part)).collect::<Vec<_>>();
    parts.into_iter().map(str::to_owned).chain(decoded).collect()
}

/// `%2F` as `/`; what is no escape stays.
fn percent_decoded(text: &str) -> String {
    let bytes = text.as_bytes();
    let mut decoded = Vec::with_capacity(bytes.len());
    let mut position = 0;
    while position < bytes.len() {
        let escape = (bytes[position] == b'%').then(|| bytes.get(position + 1..position + 3)).flatten();
        match escape.and_then(|digits| hex::decode(digits).ok()) {
            Some(byte) => {
                decoded.extend(byte);
                position += 3;
            }
            None => {
                decoded.push(bytes[position]);
                position += 1;
            }
        }
    }
    String::from_utf8_lossy(&decoded).into_owned()
}

#[cfg(test)]
mod tests {
    use super::{forms, pieces};
    use base64::Engine as _;

    /// What is left of `text` where all forms of `secret` are taken out.
    fn left(secret: &str, text: &str) -> String {
        let mut all = vec![];
        forms(secret, &mut all);
        crate::secret::Redactor::new(all).redact(text).into_owned()
    }

    #[test]
    fn encodings_are_known() {
        let secret = "p@ss/wörd \"x\"&'y'";
        let table = [
            (secret.into(), "as it is"),
            (hex::encode(secret), "hex"),
            (hex::encode(secret).to_uppercase(), "upper hex"),
            (base64::engine::general_purpose::STANDARD.encode(secret), "base64"),
            (base64::engine::general_purpose::URL_SAFE.encode(secret), "base64url"),
            ("p%40ss%2Fw%C3%B6rd%20%22x%22%26%27y%27".into(), "percent"),
            ("p%40ss%2fw%c3%b6rd%20%22x%22%26%27y%27".into(), "lower percent"),
            ("p%40ss%2Fw%C3%B6rd+%22x%22%26%27y%27".into(), "form"),
            ("p%40ss%2Fw%C3%B6rd%20%22x%22%26'y'".into(), "encodeURIComponent"),
            (r#"p@ss/wörd \"x\"&'y'"#.into(), "json"),
            (r#"p@ss\/w\u00f6rd \"x\"&'y'"#.into(), "php"),
            (r#"p@ss/w\u00f6rd \"x\"&'y'"#.into(), "python"),
            (r#"p@ss/wörd \"x\"\u0026'y'"#.into(), "go"),
            (r#"p@ss/wörd \\\"x\\\"&'y'"#.into(), "json in json"),
            (r#"p@ss/wörd "x"&'\''y'\''"#.into(), "shell"),
        ];
        for (text, name) in table {
            assert_eq!(left(secret, &format!("<{text}>")), "<***>", "{name}");
        }
    }

    #[test]
    fn base64_in_the_middle_leaves_at_most_a_character_at_each_end() {
        let secret = "correct horse battery";
        for before in ["", "a", "ab", "abc"] {
            for after in ["", "z", "zz", "zzz"] {
                let text = base64::engine::general_purpose::STANDARD.encode(format!("{before}{secret}{after}"));
                let left = left(secret, &text);
                assert!(left.contains("***") && left.len() <= 16, "`{text}` became `{left}`");
            }
        }
    }

    #[test]
    fn wrapped_base64_is_known() {
        let secret = "0123456789abcdefghijklmnopqrstuvwxyz".repeat(4);
        let text = base64::engine::general_purpose::STANDARD.encode(&secret);
        for width in [64, 76] {
            let wrapped: Vec<_> = text.as_bytes().chunks(width).map(String::from_utf8_lossy).collect();
            assert!(left(&secret, &wrapped.join("\n")).chars().all(|letter| "*\n".contains(letter)));
        }
    }

    #[test]
    fn keys_are_known_line_by_line() {
        let key = "-----BEGIN KEY-----\r\nMIIEpAIBAAKCAQEA\r\nabcdefgh\r\n-----END KEY-----\r\n";
        assert_eq!(left(key, "  MIIEpAIBAAKCAQEA\n  abcdefgh\n-----END KEY-----"), "  ***\n  ***\n-----END KEY-----");
        assert_eq!(left(key, &key.replace("\r\n", "\\r\\n")), "***");
    }

    #[test]
    fn the_lines_of_a_key_are_known_encoded() {
        let key = "-----BEGIN KEY-----\nMIIEpAIBAAKCAQEA\nabcdefgh\n-----END KEY-----\n";
        for line in ["MIIEpAIBAAKCAQEA", "abcdefgh"] {
            for text in [
                hex::encode(line),
                hex::encode_upper(line),
                base64::engine::general_purpose::STANDARD.encode(line),
                base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(line),
            ] {
                assert_eq!(left(key, &format!("<{text}>")), "<***>", "{text}");
            }
        }
    }

    #[test]
    fn a_value_is_known_with_each_of_its_bytes_escaped() {
        let secret = "p@ss/wörd";
        let bytes = |before: &str, between: &str| {
            secret.bytes().map(|byte| format!("{before}{byte:02x}")).collect::<Vec<_>>().join(between)
        };
        for text in [
            bytes("", ":"),
            bytes("", " "),
            bytes("", "-").to_uppercase(),
            bytes("%", ""),
            bytes("%", "").to_uppercase(),
            bytes("\\x", ""),
            secret.chars().map(|letter| format!("\\u{:04x}", u32::from(letter))).collect(),
            secret.chars().map(|letter| format!("\\u{:04X}", u32::from(letter))).collect(),
        ] {
            assert_eq!(left(secret, &format!("<{text}>")), "<***>", "{text}");
        }
        let text = base64::engine::general_purpose::STANDARD.encode("???>>>abcdefgh");
        assert!(text.contains('/'));
        assert_eq!(left("???>>>abcdefgh", &text.replace('/', "\\/")), "***");
    }

    #[test]
    fn a_final_newline_does_not_hide_a_secret() {
        assert_eq!(left("abcdefgh\n", "x abcdefgh y"), "x *** y");
    }

    #[test]
    fn passwords_of_urls_are_known_by_themselves() {
        let table = [
            ("postgres://shop:s%40fe-enough@db:5432/shop", "s%40fe-enough"),
            ("postgres://shop:s%40fe-enough@db:5432/shop", "s@fe-enough"),
            ("mysql://shop:with/slash#1@db/shop", "with/slash#1"),
            ("https://ghp_0123456789@github.com/a/b", "ghp_0123456789"),
            ("https://ghp_0123456789:x-oauth-basic@github.com/a/b", "ghp_0123456789"),
            ("https://hooks.example/services/T000/B000/abcdefghijklmnop", "/services/T000/B000/abcdefghijklmnop"),
            ("https://hooks.example/services/T000/B000/abcdefghijklmnop", "abcdefghijklmnop"),
            ("postgres://db/shop?user=a&password=hidden%2Done", "hidden-one"),
        ];
        for (url, part) in table {
            assert_eq!(left(url, &format!("<{part}>")), "<***>", "{url}");
        }
        assert_eq!(left("postgres://shop:s3cretword@db.example:5432/shop", "db.example shop"), "db.example shop");
    }

    #[test]
    fn the_pieces_are_what_encodings_are_made_from() {
        for (secret, expected) in [
            (" abcdefgh\n", vec!["abcdefgh"]),
            ("ab", vec![]),
            ("-----BEGIN KEY-----\r\nMIIEpAIBAAKCAQEA\r\n}\r\n", vec!["MIIEpAIBAAKCAQEA"]),
            (
                "postgres://shop:s%40fe-enough@db/shop",
                vec!["postgres://shop:s%40fe-enough@db/shop", "s%40fe-enough", "s@fe-enough"],
            ),
        ] {
            let mut all = vec![];
            pieces(secret, &mut all);
            let mut all: Vec<_> = all.iter().map(|form| String::from_utf8_lossy(form).into_owned()).collect();
            all.dedup();
            assert_eq!(all, expected);
        }
    }
}
