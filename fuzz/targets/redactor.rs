//! However a text is cut, the same comes out of it, and no secret does.
#![no_main]

use libfuzzer_sys::fuzz_target;
use windlass::secret::Secrets;

// An input is a byte that says where to cut, the secrets (each ended by a zero byte, `\n` in them is a line feed), one more zero
// byte, and the text, in which `{0}` stands for the first secret.
fuzz_target!(|data: &[u8]| {
    let Some((&seed, data)) = data.split_first() else { return };
    let end = data.windows(2).position(|pair| pair == [0, 0]).unwrap_or(data.len());
    let Ok(head) = std::str::from_utf8(&data[..end]) else { return };
    let values: Vec<String> = head.split('\0').take(8).map(str::to_owned).collect();
    let mut text = data.get(end + 2..).unwrap_or_default().to_vec();
    for (number, value) in values.iter().enumerate() {
        text = replaced(&text, format!("{{{number}}}").as_bytes(), value.as_bytes());
    }
    let names: Vec<String> = (0..values.len()).map(|number| format!("SECRET_{number}")).collect();
    let lookup = |name: &str| values.get(name.strip_prefix("SECRET_")?.parse::<usize>().ok()?).cloned();
    let secrets = Secrets::from_environment(names, lookup);
    let redactor = secrets.redactor();
    let mut whole = Vec::new();
    let mut stream = redactor.stream();
    stream.push(&text, &mut |part| whole.extend_from_slice(part));
    stream.finish(&mut |part| whole.extend_from_slice(part));

    let mut cut = Vec::new();
    let mut stream = redactor.stream();
    let mut rest = text.as_slice();
    let mut size = usize::from(seed);
    while !rest.is_empty() {
        // Sizes from 0 to 16 that look like chance.
        size = (size * 37 + 11) % 251;
        let (piece, more) = rest.split_at((size % 17).min(rest.len()));
        stream.push(piece, &mut |part| cut.extend_from_slice(part));
        rest = more;
    }
    stream.finish(&mut |part| cut.extend_from_slice(part));
    assert_eq!(cut, whole, "where it was cut makes a difference");

    if let Ok(text) = std::str::from_utf8(&text) {
        assert_eq!(redactor.redact(text).as_bytes(), whole, "a text and a stream of it differ");
    }
    assert!(!redactor.contains_bytes(&whole) || values.iter().any(|value| value.contains('*')), "it is still there");
    for value in values.iter().filter(|value| value.trim().len() >= 6 && !value.contains('*')) {
        let found = whole.windows(value.len()).any(|window| window == value.as_bytes());
        assert!(!found, "{value:?} is still there");
    }
});

fn replaced(text: &[u8], what: &[u8], by: &[u8]) -> Vec<u8> {
    let mut new = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some(place) = rest.windows(what.len()).position(|window| window == what) {
        new.extend_from_slice(&rest[..place]);
        new.extend_from_slice(by);
        rest = &rest[place + what.len()..];
    }
    new.extend_from_slice(rest);
    new
}
