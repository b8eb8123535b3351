//! Files without the standard library between: paths reach the host as they are written.

use wasip2::filesystem::preopens::get_directories;
use wasip2::filesystem::types::{Descriptor, DescriptorFlags, ErrorCode, OpenFlags, PathFlags};

/// What to do with a path below a granted tree.
#[derive(serde::Deserialize, schemars::JsonSchema, Clone, Copy)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Deed {
    Read,
    Write,
    Create,
    Truncate,
    TruncateReadOnly,
    SetSize,
    SetTimes,
    Remove,
    MakeDirectory,
    List,
    Look,
    Link,
    Rename,
    Symlink,
}

fn tree(name: &str) -> Result<Descriptor, String> {
    let directories = get_directories();
    let names: Vec<String> = directories.iter().map(|(_, name)| name.clone()).collect();
    directories
        .into_iter()
        .find_map(|(descriptor, other)| (other == name).then_some(descriptor))
        .ok_or_else(|| format!("no tree {name}, only {names:?}"))
}

fn word(error: ErrorCode) -> String {
    format!("refused: {}", error.name())
}

/// Does it, and says what came of it: `refused: WORD` where the host said no.
pub(crate) fn perform(
    deed: Deed,
    name: &str,
    path: &str,
    to_tree: Option<&str>,
    to: Option<&str>,
    text: &str,
) -> Result<String, String> {
    let tree_of = |name: &str| tree(name);
    let from = tree_of(name)?;
    let target = || to.unwrap_or_default();
    let target_tree = || tree_of(to_tree.unwrap_or(name));
    let open = |open_flags, flags| from.open_at(PathFlags::SYMLINK_FOLLOW, path, open_flags, flags).map_err(word);
    match deed {
        Deed::Read => {
            let file = open(OpenFlags::empty(), DescriptorFlags::READ)?;
            let (bytes, _) = file.read(1 << 16, 0).map_err(word)?;
            Ok(String::from_utf8_lossy(&bytes).into_owned())
        }
        Deed::Write => {
            let file = open(OpenFlags::empty(), DescriptorFlags::READ | DescriptorFlags::WRITE)?;
            file.write(text.as_bytes(), 0).map(|written| format!("wrote {written}")).map_err(word)
        }
        Deed::Create => {
            let file = open(OpenFlags::CREATE | OpenFlags::EXCLUSIVE, DescriptorFlags::READ | DescriptorFlags::WRITE)?;
            file.write(text.as_bytes(), 0).map(|written| format!("wrote {written}")).map_err(word)
        }
        Deed::Truncate => {
            open(OpenFlags::TRUNCATE, DescriptorFlags::READ | DescriptorFlags::WRITE).map(|_| "truncated".into())
        }
        Deed::TruncateReadOnly => open(OpenFlags::TRUNCATE, DescriptorFlags::READ).map(|_| "truncated".into()),
        Deed::SetSize => {
            open(OpenFlags::empty(), DescriptorFlags::READ)?.set_size(0).map(|()| "shortened".into()).map_err(word)
        }
        Deed::SetTimes => {
            use wasip2::filesystem::types::NewTimestamp::Now;
            from.set_times_at(PathFlags::SYMLINK_FOLLOW, path, Now, Now).map(|()| "touched".into()).map_err(word)
        }
        Deed::Remove => from.unlink_file_at(path).map(|()| "removed".into()).map_err(word),
        Deed::MakeDirectory => from.create_directory_at(path).map(|()| "made".into()).map_err(word),
        Deed::List => {
            let directory = open(OpenFlags::DIRECTORY, DescriptorFlags::READ)?;
            let entries = directory.read_directory().map_err(word)?;
            let mut names = vec![];
            while let Some(entry) = entries.read_directory_entry().map_err(word)? {
                names.push(entry.name);
            }
            names.sort();
            Ok(names.join(" "))
        }
        Deed::Look => {
            from.stat_at(PathFlags::SYMLINK_FOLLOW, path).map(|stat| format!("{} bytes", stat.size)).map_err(word)
        }
        Deed::Link => {
            from.link_at(PathFlags::empty(), path, &target_tree()?, target()).map(|()| "linked".into()).map_err(word)
        }
        Deed::Rename => from.rename_at(path, &target_tree()?, target()).map(|()| "renamed".into()).map_err(word),
        Deed::Symlink => from.symlink_at(target(), path).map(|()| "made".into()).map_err(word),
    }
}
