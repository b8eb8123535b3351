//! Files as WASI gives them, a limited number at once, with a word to the gate of each that is opened, changed or refused. What may be done, WASI decides
//! by how the trees were opened; here it is only asked and told.

use super::limits::FILES;
use super::output::Output;
use super::{State, locked};
use crate::event::Level;
use crate::policy::{Access, Gate, Question};
use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use wasmtime::component::{HasData, Linker, Resource};
use wasmtime_wasi::filesystem::{Descriptor, WasiFilesystemCtxView};
use wasmtime_wasi::p2::bindings::filesystem::preopens;
use wasmtime_wasi::p2::bindings::filesystem::types::{self, ErrorCode, HostDescriptor, HostDirectoryEntryStream};
use wasmtime_wasi::p2::{DynInputStream, DynOutputStream, FsError, FsResult};

/// Where the descriptors are that a guest holds: a tree, and a path below it.
pub(super) type Places = HashMap<u32, (Arc<str>, String)>;

/// Puts these files in the place of WASI's own.
pub(in crate::plugin) fn link(linker: &mut Linker<State>) -> wasmtime::Result<()> {
    linker.allow_shadowing(true);
    types::add_to_linker::<State, Files>(linker, files)?;
    preopens::add_to_linker::<State, Files>(linker, files)?;
    linker.allow_shadowing(false);
    Ok(())
}

struct Files;

impl HasData for Files {
    type Data<'a> = Watched<'a>;
}

fn files(state: &mut State) -> Watched<'_> {
    let gate = state.gate.clone();
    let output = state.output.clone();
    let State { wasi, table, places, .. } = state;
    Watched { view: WasiFilesystemCtxView { ctx: wasi.filesystem(), table }, gate, output, places }
}

/// WASI's files, watched.
struct Watched<'a> {
    view: WasiFilesystemCtxView<'a>,
    gate: Arc<Mutex<Gate>>,
    output: Arc<Mutex<Output>>,
    places: &'a mut Places,
}

impl Watched<'_> {
    /// Tell the gate what came of something that was done to what is at `path` below this descriptor.
    fn tell<T>(&self, at: &Resource<Descriptor>, path: &str, access: Access, result: &FsResult<T>) {
        let Some((tree, below)) = self.places.get(&at.rep()) else { return };
        match result {
            Ok(_) => drop(locked(&self.gate).ask(&Question::Directory { path: tree, access })),
            Err(error) if is_refusal(error) => {
                let path = &joined(below, path);
                locked(&self.gate).refuse(&Question::File { tree, path, access });
            }
            Err(_) => {}
        }
    }

    /// The same for what counts as used already since it was opened.
    fn tell_refusal<T>(&self, at: &Resource<Descriptor>, result: FsResult<T>) -> FsResult<T> {
        if result.is_err() {
            self.tell(at, "", Access::Write, &result);
        }
        result
    }
}

/// Whether it is the host that said no, and not the disk.
fn is_refusal(error: &FsError) -> bool {
    matches!(error.downcast_ref(), Some(ErrorCode::NotPermitted | ErrorCode::ReadOnly))
}

/// A path below another one, as it was asked for.
fn joined(below: &str, path: &str) -> String {
    match (below, path) {
        ("", "") => ".".into(),
        ("", path) => path.into(),
        (below, "") => below.into(),
        (below, path) => format!("{below}/{path}"),
    }
}

/// A handle to the same, for a call that takes one away.
fn same(descriptor: &Resource<Descriptor>) -> Resource<Descriptor> {
    Resource::new_borrow(descriptor.rep())
}

impl preopens::Host for Watched<'_> {
    fn get_directories(&mut self) -> wasmtime::Result<Vec<(Resource<Descriptor>, String)>> {
        let directories = preopens::Host::get_directories(&mut self.view)?;
        for (descriptor, tree) in &directories {
            self.places.insert(descriptor.rep(), (tree.as_str().into(), String::new()));
        }
        Ok(directories)
    }
}

impl types::Host for Watched<'_> {
    fn convert_error_code(&mut self, error: FsError) -> wasmtime::Result<ErrorCode> {
        self.view.convert_error_code(error)
    }

    fn filesystem_error_code(&mut self, error: Resource<wasmtime::Error>) -> wasmtime::Result<Option<ErrorCode>> {
        self.view.filesystem_error_code(error)
    }
}

impl HostDescriptor for Watched<'_> {
    async fn advise(
        &mut self,
        fd: Resource<Descriptor>,
        offset: types::Filesize,
        len: types::Filesize,
        advice: types::Advice,
    ) -> FsResult<()> {
        self.view.advise(fd, offset, len, advice).await
    }

    async fn sync_data(&mut self, fd: Resource<Descriptor>) -> FsResult<()> {
        self.view.sync_data(fd).await
    }

    async fn get_flags(&mut self, fd: Resource<Descriptor>) -> FsResult<types::DescriptorFlags> {
        self.view.get_flags(fd).await
    }

    async fn get_type(&mut self, fd: Resource<Descriptor>) -> FsResult<types::DescriptorType> {
        self.view.get_type(fd).await
    }

    async fn read(
        &mut self,
        fd: Resource<Descriptor>,
        len: types::Filesize,
        offset: types::Filesize,
    ) -> FsResult<(Vec<u8>, bool)> {
        self.view.read(fd, len, offset).await
    }

    async fn read_directory(&mut self, fd: Resource<Descriptor>) -> FsResult<Resource<types::DirectoryEntryStream>> {
        self.view.read_directory(fd).await
    }

    async fn sync(&mut self, fd: Resource<Descriptor>) -> FsResult<()> {
        self.view.sync(fd).await
    }

    async fn stat(&mut self, fd: Resource<Descriptor>) -> FsResult<types::DescriptorStat> {
        self.view.stat(fd).await
    }

    fn read_via_stream(
        &mut self,
        fd: Resource<Descriptor>,
        offset: types::Filesize,
    ) -> FsResult<Resource<DynInputStream>> {
        self.view.read_via_stream(fd, offset)
    }

    async fn is_same_object(
        &mut self,
        fd: Resource<Descriptor>,
        other: Resource<Descriptor>,
    ) -> wasmtime::Result<bool> {
        self.view.is_same_object(fd, other).await
    }

    async fn metadata_hash(&mut self, fd: Resource<Descriptor>) -> FsResult<types::MetadataHashValue> {
        self.view.metadata_hash(fd).await
    }

    async fn set_size(&mut self, fd: Resource<Descriptor>, size: types::Filesize) -> FsResult<()> {
        let result = self.view.set_size(same(&fd), size).await;
        self.tell_refusal(&fd, result)
    }

    async fn set_times(
        &mut self,
        fd: Resource<Descriptor>,
        atim: types::NewTimestamp,
        mtim: types::NewTimestamp,
    ) -> FsResult<()> {
        let result = self.view.set_times(same(&fd), atim, mtim).await;
        self.tell_refusal(&fd, result)
    }

    async fn write(
        &mut self,
        fd: Resource<Descriptor>,
        buf: Vec<u8>,
        offset: types::Filesize,
    ) -> FsResult<types::Filesize> {
        let result = self.view.write(same(&fd), buf, offset).await;
        self.tell_refusal(&fd, result)
    }

    fn write_via_stream(
        &mut self,
        fd: Resource<Descriptor>,
        offset: types::Filesize,
    ) -> FsResult<Resource<DynOutputStream>> {
        let result = self.view.write_via_stream(same(&fd), offset);
        self.tell_refusal(&fd, result)
    }

    fn append_via_stream(&mut self, fd: Resource<Descriptor>) -> FsResult<Resource<DynOutputStream>> {
        let result = self.view.append_via_stream(same(&fd));
        self.tell_refusal(&fd, result)
    }

    async fn create_directory_at(&mut self, fd: Resource<Descriptor>, path: String) -> FsResult<()> {
        let result = self.view.create_directory_at(same(&fd), path.clone()).await;
        self.tell(&fd, &path, Access::Write, &result);
        result
    }

    async fn stat_at(
        &mut self,
        fd: Resource<Descriptor>,
        flags: types::PathFlags,
        path: String,
    ) -> FsResult<types::DescriptorStat> {
        let result = self.view.stat_at(same(&fd), flags, path.clone()).await;
        self.tell(&fd, &path, Access::Read, &result);
        result
    }

    async fn set_times_at(
        &mut self,
        fd: Resource<Descriptor>,
        flags: types::PathFlags,
        path: String,
        atim: types::NewTimestamp,
        mtim: types::NewTimestamp,
    ) -> FsResult<()> {
        let result = self.view.set_times_at(same(&fd), flags, path.clone(), atim, mtim).await;
        self.tell(&fd, &path, Access::Write, &result);
        result
    }

    async fn readlink_at(&mut self, fd: Resource<Descriptor>, path: String) -> FsResult<String> {
        let result = self.view.readlink_at(same(&fd), path.clone()).await;
        self.tell(&fd, &path, Access::Read, &result);
        result
    }

    async fn remove_directory_at(&mut self, fd: Resource<Descriptor>, path: String) -> FsResult<()> {
        let result = self.view.remove_directory_at(same(&fd), path.clone()).await;
        self.tell(&fd, &path, Access::Write, &result);
        result
    }

    async fn unlink_file_at(&mut self, fd: Resource<Descriptor>, path: String) -> FsResult<()> {
        let result = self.view.unlink_file_at(same(&fd), path.clone()).await;
        self.tell(&fd, &path, Access::Write, &result);
        result
    }

    async fn metadata_hash_at(
        &mut self,
        fd: Resource<Descriptor>,
        flags: types::PathFlags,
        path: String,
    ) -> FsResult<types::MetadataHashValue> {
        let result = self.view.metadata_hash_at(same(&fd), flags, path.clone()).await;
        self.tell(&fd, &path, Access::Read, &result);
        result
    }

    async fn symlink_at(&mut self, fd: Resource<Descriptor>, target: String, path: String) -> FsResult<()> {
        let result = self.view.symlink_at(same(&fd), target, path.clone()).await;
        self.tell(&fd, &path, Access::Write, &result);
        result
    }

    async fn link_at(
        &mut self,
        fd: Resource<Descriptor>,
        flags: types::PathFlags,
        path: String,
        to: Resource<Descriptor>,
        to_path: String,
    ) -> FsResult<()> {
        let result = self.view.link_at(same(&fd), flags, path.clone(), same(&to), to_path.clone()).await;
        self.tell(&fd, &path, Access::Write, &result);
        self.tell(&to, &to_path, Access::Write, &result);
        result
    }

    async fn rename_at(
        &mut self,
        fd: Resource<Descriptor>,
        path: String,
        to: Resource<Descriptor>,
        to_path: String,
    ) -> FsResult<()> {
        let result = self.view.rename_at(same(&fd), path.clone(), same(&to), to_path.clone()).await;
        self.tell(&fd, &path, Access::Write, &result);
        self.tell(&to, &to_path, Access::Write, &result);
        result
    }

    async fn open_at(
        &mut self,
        fd: Resource<Descriptor>,
        path_flags: types::PathFlags,
        path: String,
        open_flags: types::OpenFlags,
        flags: types::DescriptorFlags,
    ) -> FsResult<Resource<Descriptor>> {
        use types::{DescriptorFlags, OpenFlags};
        let changes = flags.intersects(DescriptorFlags::WRITE | DescriptorFlags::MUTATE_DIRECTORY)
            || open_flags.intersects(OpenFlags::CREATE | OpenFlags::EXCLUSIVE | OpenFlags::TRUNCATE);
        let access = if changes { Access::Write } else { Access::Read };
        // Counted here, and not kept count of: what is closed need not be seen.
        if self.view.table.iter_mut().filter(|entry| entry.is::<Descriptor>()).count() >= FILES {
            let asked = format!("have more than {FILES} files open at once");
            locked(&self.gate).deny(&asked);
            let words = format!("not allowed to {asked}: others have to be closed first");
            locked(&self.output).message(Level::Error, &words);
            return Err(ErrorCode::Quota.into());
        }
        let result = self.view.open_at(same(&fd), path_flags, path.clone(), open_flags, flags).await;
        self.tell(&fd, &path, access, &result);
        if let (Ok(opened), Some((tree, below))) = (&result, self.places.get(&fd.rep())) {
            let place = (tree.clone(), joined(below, &path));
            self.places.insert(opened.rep(), place);
        }
        result
    }

    fn drop(&mut self, fd: Resource<Descriptor>) -> wasmtime::Result<()> {
        self.places.remove(&fd.rep());
        HostDescriptor::drop(&mut self.view, fd)
    }
}

impl HostDirectoryEntryStream for Watched<'_> {
    async fn read_directory_entry(
        &mut self,
        stream: Resource<types::DirectoryEntryStream>,
    ) -> FsResult<Option<types::DirectoryEntry>> {
        self.view.read_directory_entry(stream).await
    }

    fn drop(&mut self, stream: Resource<types::DirectoryEntryStream>) -> wasmtime::Result<()> {
        HostDirectoryEntryStream::drop(&mut self.view, stream)
    }
}
