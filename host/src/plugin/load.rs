//! From a locator to a plugin that can be called.

use super::builtin::BuiltIn;
use super::cache::Cache;
use super::call::{CallFailure, Limits};
use super::compile::{self, CompileError};
use super::component;
use super::contract::{LIFECYCLE, Prepared, another_world};
use super::engine::{Compiler, Runtime, Runtimes};
use super::fetch::{self, Store};
use super::imports::{self, Imports};
use super::signature::{self, Evidence, Keys};
use super::{builtin, inspect};
use crate::config::PluginLocator;
use crate::network::Client;
use crate::policy::Capability;
use crate::problem::{Code, Problem};
use std::collections::HashMap;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use wasmtime::component::Component;

/// The largest schema of a configuration, in bytes.
const LARGEST_SCHEMA: usize = 256 << 10;

/// So many references within a schema come to some hundred checks at most, however they are arranged.
const FEW_REFERENCES: usize = 16;

/// How often a schema refers to a part of itself.
fn references(schema: &serde_json::Value) -> usize {
    match schema {
        serde_json::Value::Object(map) => {
            let of_key = |(key, value): (&String, _)| {
                usize::from(key.starts_with('$') && key.to_ascii_lowercase().ends_with("ref")) + references(value)
            };
            map.iter().map(of_key).sum()
        }
        serde_json::Value::Array(list) => list.iter().map(references).sum(),
        _ => 0,
    }
}

/// Loads plugins, each once.
#[derive(Clone)]
pub struct Plugins(Arc<Inner>);

struct Inner {
    runtimes: Runtimes,
    cache: Option<Cache>,
    loaded: Mutex<HashMap<String, Plugin>>,
    missed: Mutex<Vec<String>>,
    /// What fetches those from elsewhere.
    client: Client,
    /// By one of which each that is not built in has to be signed.
    keys: Keys,
}

/// What a plugin is made from.
struct Source<'a> {
    locator: &'a str,
    /// What finds it again, for whoever fills the cache.
    refill: &'a str,
    bytes: &'a [u8],
    digest: String,
    /// The name of the key by which it is signed, where that was asked.
    signed_by: Option<String>,
}

/// A plugin that can be called. Cheap to clone.
#[derive(Clone)]
pub struct Plugin(Arc<Loaded>);

struct Loaded {
    name: String,
    version: String,
    summary: String,
    digest: String,
    size: Option<usize>,
    signed_by: Option<String>,
    schema: serde_json::Value,
    may_explode: bool,
    built_in: bool,
    compiler: Compiler,
    pre: Prepared,
    plugins: Arc<Inner>,
}

impl std::fmt::Debug for Plugin {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_tuple("Plugin").field(&self.locked_name()).finish()
    }
}

impl std::fmt::Debug for Plugins {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("Plugins")
    }
}

impl Plugins {
    /// None yet, of which no signature is demanded. Those from elsewhere are fetched by this client.
    #[must_use]
    pub fn new(client: Client) -> Self {
        Self::demanding(client, Keys::default())
    }

    /// None yet. Those that are not built in have to be signed by one of these keys.
    #[must_use]
    pub fn demanding(client: Client, keys: Keys) -> Self {
        Self(Arc::new(Inner {
            runtimes: Runtimes::default(),
            cache: Cache::open(),
            loaded: Mutex::default(),
            missed: Mutex::default(),
            client,
            keys,
        }))
    }

    /// A built-in plugin.
    ///
    /// # Errors
    /// [`Code::PluginNotFound`] with the nearest name.
    pub async fn load_built_in(&self, name: &str) -> Result<Plugin, Problem> {
        if let Some(plugin) = self.remembered(name) {
            return Ok(plugin);
        }
        let Some(built_in) = builtin::find(name) else {
            let names = super::built_in_names();
            let nearest = names
                .iter()
                .map(|other| (strsim::damerau_levenshtein(name, other), *other))
                .min()
                .filter(|(distance, _)| *distance <= 3);
            let problem = Problem::new(Code::PluginNotFound, format!("there is no built-in plugin `{name}`"))
                .because(format!("the built-in plugins are {}", names.join(", ")))
                .with_note("nothing was run");
            return Err(match nearest {
                Some((_, other)) => problem.with_hint(format!("did you mean `{other}`?")),
                None => problem
                    .with_hint(format!("a plugin in a file is named by its path, for example `./plugins/{name}.wasm`")),
            });
        };
        let source = Source {
            locator: name,
            refill: name,
            bytes: built_in.component().unwrap_or_default(),
            digest: built_in.digest.to_owned(),
            signed_by: None,
        };
        self.load(source, Some(built_in)).await
    }

    /// A plugin in a file, named relative to the project. `accept` is asked with its SHA-256 before anything is made of it.
    ///
    /// # Errors
    /// [`Code::PluginNotFound`], [`Code::PluginInvalid`], [`Code::NotSigned`], and what `accept` says.
    pub async fn load_file(
        &self,
        path: &str,
        project: &Path,
        accept: impl FnOnce(&str) -> Result<(), Problem>,
    ) -> Result<Plugin, Problem> {
        if let Some(plugin) = self.remembered(path) {
            return Ok(plugin);
        }
        let file = project.join(path);
        let bytes = component::read(path, &file)?;
        let digest = component::digest(&bytes);
        accept(&digest)?;
        let signed_by = self.demand(path, &bytes, &digest, || Ok(beside(&file)))?;
        let refill = &file.to_string_lossy();
        self.load(Source { locator: path, refill, bytes: &bytes, digest, signed_by }, None).await
    }

    /// A plugin in a file that whoever asks has just made, named relative to the project, and the component itself. No signature is
    /// demanded of it: nobody signs what he has not tried yet.
    ///
    /// # Errors
    /// As those of [`Self::load_file`], but for [`Code::NotSigned`].
    pub async fn load_own(&self, path: &str, project: &Path) -> Result<(Plugin, Vec<u8>), Problem> {
        let file = project.join(path);
        let bytes = component::read(path, &file)?;
        let digest = component::digest(&bytes);
        let refill = &file.to_string_lossy();
        let plugin = self.load(Source { locator: path, refill, bytes: &bytes, digest, signed_by: None }, None).await?;
        Ok((plugin, bytes))
    }

    /// A plugin from elsewhere with this SHA-256 as it was fetched before; none where it was not. Nobody is asked for it, nor for
    /// its signatures.
    ///
    /// # Errors
    /// [`Code::PluginInvalid`] and [`Code::NotSigned`].
    pub async fn load_kept(&self, locator: &PluginLocator, digest: &str) -> Result<Option<Plugin>, Problem> {
        let name = locator.as_str();
        if let Some(plugin) = self.remembered(name) {
            return Ok(Some(plugin));
        }
        let kept = Store::open().and_then(|store| Some((store.get(digest)?, store)));
        let Some((bytes, store)) = kept else { return Ok(None) };
        let signed_by = self.demand(name, &bytes, digest, || match store.signatures(digest) {
            none if none.is_empty() => Err(signature::not_signed(name)
                .because("no signature of it was fetched yet, which `windlass plugin verify` does")),
            found => Ok(found),
        })?;
        let file = store.path(digest).unwrap_or_default();
        let (digest, refill) = (digest.to_owned(), &file.to_string_lossy());
        self.load(Source { locator: name, refill, bytes: &bytes, digest, signed_by }, None).await.map(Some)
    }

    /// A plugin from elsewhere, which has to have this SHA-256 where one is known: then it is not fetched where it was before.
    /// `accept` is asked with its SHA-256 before anything is made of it.
    ///
    /// # Errors
    /// [`Code::PluginNotFetched`], [`Code::PluginInvalid`], [`Code::NotSigned`], and what `accept` says. Nothing is kept then.
    pub async fn load_fetched(
        &self,
        locator: &PluginLocator,
        known: Option<&str>,
        accept: impl FnOnce(&str) -> Result<(), Problem>,
    ) -> Result<Plugin, Problem> {
        let name = locator.as_str();
        if let Some(plugin) = self.remembered(name) {
            return Ok(plugin);
        }
        let store = Store::open();
        let kept = store.as_ref().zip(known).and_then(|(store, digest)| store.get(digest));
        tracing::debug!(plugin = name, kept = kept.is_some(), "fetched before");
        let fetched = kept.is_none();
        let bytes = match kept {
            Some(bytes) => bytes,
            None => fetch::fetch(locator, &self.0.client).await?,
        };
        let digest = component::digest(&bytes);
        accept(&digest)?;
        let kept = store.as_ref().filter(|_| !fetched);
        let signed_by = self.fetched_is_signed(locator, &bytes, &digest, store.as_ref(), kept).await?;
        // It is kept once it has passed everything, and what the cache lacks is made of what is kept.
        let file = store.as_ref().and_then(|store| store.path(&digest)).unwrap_or_default();
        let source = Source { locator: name, refill: &file.to_string_lossy(), bytes: &bytes, digest, signed_by };
        let plugin = self.load(source, None).await?;
        if let Some(store) = store.filter(|_| fetched) {
            store.put(plugin.digest(), &bytes);
        }
        Ok(plugin)
    }

    /// The name of the key by which one of the signatures that are found proves a component; none where no keys are demanded.
    fn demand(
        &self,
        locator: &str,
        bytes: &[u8],
        digest: &str,
        find: impl FnOnce() -> Result<Vec<Evidence>, Problem>,
    ) -> Result<Option<String>, Problem> {
        if self.0.keys.is_empty() {
            return Ok(None);
        }
        self.0.keys.check(locator, bytes, digest, &find()?).map(|name| Some(name.to_owned()))
    }

    /// The same of one from elsewhere. Of one that is `kept`, what is kept of its signatures is enough, once it is checked. With one
    /// that was fetched, so are they: who withdrew a signature where it comes from is heard there.
    async fn fetched_is_signed(
        &self,
        locator: &PluginLocator,
        bytes: &[u8],
        digest: &str,
        store: Option<&Store>,
        kept: Option<&Store>,
    ) -> Result<Option<String>, Problem> {
        if self.0.keys.is_empty() {
            return Ok(None);
        }
        let name = locator.as_str();
        let signatures = kept.map(|store| store.signatures(digest)).unwrap_or_default();
        if let Ok(signed_by) = self.demand(name, bytes, digest, || Ok(signatures)) {
            return Ok(signed_by);
        }
        let found = fetch::signatures(locator, &self.0.client).await?;
        let signed_by = self.demand(name, bytes, digest, || Ok(found.evidence.clone()));
        match (store, &signed_by) {
            (Some(store), Ok(_)) => store.put_signatures(digest, &found.evidence),
            (Some(store), Err(_)) => store.renew_signatures(digest, &found.evidence),
            (None, _) => {}
        }
        signed_by.map_err(|problem| match found.unseen {
            0 => problem,
            unseen => problem.because(format!(
                "only the newest {} signatures are looked at, and older ones are there, too: {unseen}",
                fetch::signatures::MOST
            )),
        })
    }

    /// One that was loaded before. What was loaded without a signature answers nobody who demands one.
    fn remembered(&self, locator: &str) -> Option<Plugin> {
        let loaded = self.0.loaded.lock().unwrap_or_else(PoisonError::into_inner);
        let is_enough =
            |plugin: &&Plugin| self.0.keys.is_empty() || plugin.is_built_in() || plugin.signed_by().is_some();
        loaded.get(locator).filter(is_enough).cloned()
    }

    async fn load(&self, source: Source<'_>, built_in: Option<&BuiltIn>) -> Result<Plugin, Problem> {
        let Source { locator, refill, bytes, digest, signed_by } = source;
        let (pre, compiler, source) = match self.compiled(&digest, built_in)? {
            Some((runtime, component)) => {
                let embedded = built_in.is_some_and(|built_in| built_in.component().is_none());
                let source = if embedded { "the binary" } else { "the cache" };
                (prepared(locator, runtime, &component)?, Compiler::Optimising, source)
            }
            None => {
                inspect::check(locator, bytes)?;
                let (pre, compiler) = match built_in {
                    Some(_) => self.compile_here(locator, bytes)?,
                    // The program of a unit test compiles nothing in a process of its own.
                    None if cfg!(test) => self.compile_here(locator, bytes)?,
                    None => self.compile_apart(locator, bytes, &digest).await?,
                };
                self.miss(refill, &digest)?;
                let source = match compiler {
                    Compiler::Quick => "the quick compiler",
                    Compiler::Optimising => "the optimising compiler",
                };
                (pre, compiler, source)
            }
        };
        tracing::debug!(plugin = locator, source, "compiled");
        let mut loaded = Loaded {
            name: locator.to_owned(),
            version: String::new(),
            summary: String::new(),
            digest,
            signed_by,
            size: (!bytes.is_empty()).then_some(bytes.len()),
            schema: serde_json::Value::Null,
            may_explode: false,
            built_in: built_in.is_some(),
            compiler,
            pre,
            plugins: self.0.clone(),
        };
        let description = super::call::describe(&loaded.pre, self.0.runtimes.of(compiler)?, &Limits::default())
            .await
            .map_err(|failure| {
            let problem = match failure {
                CallFailure::Refused(problem) => unusable(locator, problem),
                failure => failure.into_problem(locator, "describe"),
            };
            Problem { code: Code::PluginInvalid, ..problem }.with_note("nothing was run")
        })?;
        let wrong = |what: &str| {
            Problem::new(Code::PluginInvalid, format!("plugin `{locator}` cannot be used"))
                .because(what)
                .with_note("nothing was run")
                .with_hint("this is a bug in the plugin: mend it, or report it to its author")
        };
        semver::Version::parse(&description.version)
            .map_err(|_| wrong(&format!("its version `{}` is not a semantic version", description.version)))?;
        let plain = |name: &str| {
            !name.is_empty() && name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
        };
        if !plain(&description.name) {
            return Err(wrong(&format!(
                "its name `{}` is not in lower case with hyphens",
                description.name.escape_debug()
            )));
        }
        let size = description.config_schema.len();
        if size > LARGEST_SCHEMA {
            let most = LARGEST_SCHEMA >> 10;
            return Err(wrong(&format!(
                "the schema of its configuration has {} KiB, and the most is {most} KiB",
                size >> 10
            )));
        }
        loaded.schema = serde_json::from_str(&description.config_schema)
            .map_err(|error| wrong(&format!("the schema of its configuration is not JSON: {error}")))?;
        loaded.may_explode = references(&loaded.schema) > FEW_REFERENCES;
        loaded.name = description.name;
        loaded.version = description.version;
        loaded.summary = description.summary;
        let plugin = Plugin(Arc::new(loaded));
        self.0.loaded.lock().unwrap_or_else(PoisonError::into_inner).insert(locator.to_owned(), plugin.clone());
        Ok(plugin)
    }

    /// A component that is compiled already: as a part of this binary, or in the cache.
    fn compiled(&self, digest: &str, built_in: Option<&BuiltIn>) -> Result<Option<(&Runtime, Component)>, Problem> {
        let runtime = self.0.runtimes.optimising()?;
        if let Some(component) = built_in.map(|built_in| built_in.compiled(runtime)).transpose()?.flatten() {
            return Ok(Some((runtime, component)));
        }
        let cached = self.0.cache.as_ref().and_then(|cache| cache.get(digest, runtime));
        Ok(cached.map(|component| (runtime, component)))
    }

    /// Compiles what is ours: with the quick compiler, and what that refuses with the other. Winch has no tail calls, among
    /// others.
    fn compile_here(&self, locator: &str, bytes: &[u8]) -> Result<(Prepared, Compiler), Problem> {
        let quick = self.0.runtimes.of(Compiler::Quick)?;
        if let Ok(component) = Component::from_binary(&quick.engine, bytes) {
            return Ok((prepared(locator, quick, &component)?, Compiler::Quick));
        }
        let optimising = self.0.runtimes.optimising()?;
        let component = Component::from_binary(&optimising.engine, bytes).map_err(|error| broken(locator, &error))?;
        Ok((prepared(locator, optimising, &component)?, Compiler::Optimising))
    }

    /// The same of what others wrote, in a process with limits.
    async fn compile_apart(&self, locator: &str, bytes: &[u8], digest: &str) -> Result<(Prepared, Compiler), Problem> {
        let mut compiler = Compiler::Quick;
        let code = match compile::compile(compiler, bytes).await {
            Err(CompileError::Refused(_)) => {
                compiler = Compiler::Optimising;
                compile::compile(compiler, bytes).await
            }
            code => code,
        };
        let code = code.map_err(|error| error.problem(locator))?;
        let runtime = self.0.runtimes.of(compiler)?;
        if compiler == Compiler::Optimising
            && let Some(cache) = &self.0.cache
        {
            // Where it cannot be kept, it is compiled again.
            let _ = cache.put(digest, runtime, &code);
        }
        let component = compile::load(runtime, &code).map_err(|error| broken(locator, &error))?;
        Ok((prepared(locator, runtime, &component)?, compiler))
    }

    /// Leaves word of a component that the cache should have.
    fn miss(&self, refill: &str, digest: &str) -> Result<(), Problem> {
        let Some(cache) = &self.0.cache else { return Ok(()) };
        if cache.has_given_up(digest, self.0.runtimes.optimising()?) {
            tracing::debug!(plugin = refill, "not compiled again: it took too much");
        } else {
            self.0.missed.lock().unwrap_or_else(PoisonError::into_inner).push(refill.to_owned());
        }
        Ok(())
    }

    /// What was not in the cache, as [`fill`](super::fill) wants it. Empties the list.
    #[must_use]
    pub fn take_missed(&self) -> Vec<String> {
        std::mem::take(&mut *self.0.missed.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// The signature beside a component's file, where there is one.
fn beside(file: &Path) -> Vec<Evidence> {
    let mut path = file.as_os_str().to_owned();
    path.push(".sig");
    let text = component::read("", Path::new(&path)).ok().filter(|text| text.len() <= signature::LARGEST);
    text.map(|text| Evidence::Blob(String::from_utf8_lossy(&text).trim().to_owned())).into_iter().collect()
}

fn broken(locator: &str, error: &wasmtime::Error) -> Problem {
    Problem::new(Code::PluginInvalid, format!("plugin `{locator}` cannot be used"))
        .because(format!("{error:#}"))
        .with_note("nothing was run")
        .with_hint("build the plugin again, or restore its file")
}

/// The same of the plugin by its name.
fn unusable(locator: &str, problem: Problem) -> Problem {
    Problem { what: format!("plugin `{locator}` cannot be used"), ..problem }
}

/// What it imports and exports has the names of the contract; whether the types are those, too, shows when it is linked.
fn prepared(locator: &str, runtime: &Runtime, component: &Component) -> Result<Prepared, Problem> {
    runtime.prepare(component).map_err(|error| unusable(locator, another_world(&error)))
}

impl Plugin {
    /// Its name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.0.name
    }

    /// Its version.
    #[must_use]
    pub fn version(&self) -> &str {
        &self.0.version
    }

    /// What it does, in one line.
    #[must_use]
    pub fn summary(&self) -> &str {
        &self.0.summary
    }

    /// The SHA-256 of its component, in hex.
    #[must_use]
    pub fn digest(&self) -> &str {
        &self.0.digest
    }

    /// The name of the key by which it is signed; none where nobody asked.
    #[must_use]
    pub fn signed_by(&self) -> Option<&str> {
        self.0.signed_by.as_deref()
    }

    /// The size of its component, in bytes; none where only what was compiled of it is here.
    #[must_use]
    pub fn size(&self) -> Option<usize> {
        self.0.size
    }

    /// What it imports.
    #[must_use]
    pub fn imports(&self) -> Vec<Imports> {
        let component = self.pre().component();
        imports::explain(component.component_type().imports(component.engine()).map(|(name, _)| name))
    }

    /// The names of the interfaces that it imports and exports, each with its version.
    pub(super) fn interfaces(&self) -> (Vec<String>, Vec<String>) {
        let component = self.pre().component();
        let (kind, engine) = (component.component_type(), component.engine());
        let imports = kind.imports(engine).map(|(name, _)| name.to_owned()).collect();
        (imports, kind.exports(engine).map(|(name, _)| name.to_owned()).collect())
    }

    /// The contract that it was built for.
    #[must_use]
    pub fn contract(&self) -> String {
        let component = self.pre().component();
        let kind = component.component_type();
        let mut exports = kind.exports(component.engine());
        let version = exports.find_map(|(name, _)| Some(name.strip_prefix(LIFECYCLE)?.to_owned()));
        version.unwrap_or_default()
    }

    /// The JSON Schema of its configuration.
    #[must_use]
    pub fn schema(&self) -> &serde_json::Value {
        &self.0.schema
    }

    /// Whether checking something against its schema may take for ever: it refers to itself so often that what it comes to
    /// may be exponential in its size.
    #[must_use]
    pub fn schema_may_explode(&self) -> bool {
        self.0.may_explode
    }

    /// Whether it is part of this binary.
    #[must_use]
    pub fn is_built_in(&self) -> bool {
        self.0.built_in
    }

    /// `name@version`.
    #[must_use]
    pub fn locked_name(&self) -> String {
        format!("{}@{}", self.0.name, self.0.version)
    }

    pub(super) fn pre(&self) -> &Prepared {
        &self.0.pre
    }

    pub(super) fn runtime(&self) -> Result<&Runtime, Problem> {
        self.0.plugins.runtimes.of(self.0.compiler)
    }

    /// What a configuration needs.
    ///
    /// # Errors
    /// See [`CallFailure`].
    pub async fn requires(&self, config: &str) -> Result<Vec<Capability>, CallFailure> {
        let runtime = self.runtime().map_err(CallFailure::Refused)?;
        super::call::requires(self.pre(), runtime, config, &Limits::default()).await
    }
}
