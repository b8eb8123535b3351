//! Asking for capabilities in one line each.

use crate::__bindings::windlass::plugin::types::{
    Database, Directory, Exec, Http, Secret, SecretUrl, SecretVariable, TcpProbe,
};
use crate::{Access, Capability, Grant, Phases, Ports, SecretUse};

/// Needed while planning, applying and reverting.
pub const ALL_PHASES: Phases = Phases::all();

/// A request to run a program, being made. Turn it into a [`Capability`] with [`ExecRequest::during`].
#[derive(Debug, Clone)]
pub struct ExecRequest(Exec);

impl ExecRequest {
    /// With these argument patterns: literals, `*` for any one argument, a last `**` for any number more.
    #[must_use]
    pub fn arguments<T: Into<String>>(mut self, arguments: impl IntoIterator<Item = T>) -> Self {
        self.0.arguments = arguments.into_iter().map(Into::into).collect();
        self
    }

    /// In this directory, relative to the project.
    #[must_use]
    pub fn directory(mut self, directory: impl Into<String>) -> Self {
        self.0.directory = directory.into();
        self
    }

    /// With these variables of the job's environment.
    #[must_use]
    pub fn variables<T: Into<String>>(mut self, names: impl IntoIterator<Item = T>) -> Self {
        self.0.variables = names.into_iter().map(Into::into).collect();
        self
    }

    /// With the homes and caches of these toolchains.
    #[must_use]
    pub fn toolchains<T: Into<String>>(mut self, names: impl IntoIterator<Item = T>) -> Self {
        self.0.toolchains = names.into_iter().map(Into::into).collect();
        self
    }

    /// What it leaves running may stay.
    #[must_use]
    pub fn background(mut self, background: bool) -> Self {
        self.0.background = background;
        self
    }

    /// It may change these trees: relative to the project, or absolute, and `/` for everything. Where nothing is said, it
    /// may change what the step may change itself, and its temporary files.
    #[must_use]
    pub fn writes<T: Into<String>>(mut self, trees: impl IntoIterator<Item = T>) -> Self {
        self.0.writes = trees.into_iter().map(Into::into).collect();
        self
    }

    /// It may connect to these TCP ports. Where nothing is said, to none.
    #[must_use]
    pub fn connects(mut self, ports: Ports) -> Self {
        self.0.connects = ports;
        self
    }

    /// When it is needed.
    #[must_use]
    pub fn during(self, phases: Phases) -> Capability {
        Capability { grant: Grant::Exec(self.0), phases }
    }
}

/// A request to speak HTTP, being made. Turn it into a [`Capability`] with [`HttpRequest::during`].
#[derive(Debug, Clone)]
pub struct HttpRequest(Http);

impl HttpRequest {
    /// With these methods.
    #[must_use]
    pub fn methods<T: Into<String>>(mut self, methods: impl IntoIterator<Item = T>) -> Self {
        self.0.methods = methods.into_iter().map(Into::into).collect();
        self
    }

    /// Below this path; a prefix where it ends in `/`.
    #[must_use]
    pub fn path(mut self, path: impl Into<String>) -> Self {
        self.0.path = path.into();
        self
    }

    /// At these addresses: `public`, `private`, `loopback` or a CIDR. None means `public`.
    #[must_use]
    pub fn addresses<T: Into<String>>(mut self, addresses: impl IntoIterator<Item = T>) -> Self {
        self.0.addresses = addresses.into_iter().map(Into::into).collect();
        self
    }

    /// When it is needed.
    #[must_use]
    pub fn during(self, phases: Phases) -> Capability {
        Capability { grant: Grant::Http(self.0), phases }
    }
}

impl Capability {
    /// Run a program: a name looked up on the search path, or a path relative to the project.
    ///
    /// ```
    /// use windlass_plugin::{process::Command, Capability, Failure, Intent, Outcome, Phases, Ports, Step};
    ///
    /// /// Uploads a file.
    /// pub struct Upload;
    ///
    /// /// The step's `with`.
    /// #[derive(serde::Deserialize, schemars::JsonSchema)]
    /// #[serde(deny_unknown_fields)]
    /// pub struct Config {
    ///     /// The file to upload.
    ///     file: String,
    /// }
    ///
    /// impl Step for Upload {
    ///     const NAME: &'static str = "upload";
    ///     const VERSION: &'static str = env!("CARGO_PKG_VERSION");
    ///     const SUMMARY: &'static str = "Uploads a file.";
    ///     type Config = Config;
    ///     type Record = ();
    ///
    ///     fn requires(config: &Config) -> Result<Vec<Capability>, Failure> {
    ///         let upload = Capability::exec("rsync").arguments(["--checksum", &config.file, "*"]);
    ///         // It may connect to the ports of SSH, and change no file here.
    ///         Ok(vec![upload.connects(Ports::These(vec![22])).during(Phases::APPLY)])
    ///     }
    ///
    ///     fn plan(config: &Config) -> Result<Vec<Intent>, Failure> {
    ///         Ok(vec![Intent::irreversible("upload", format!("upload `{}`", config.file))])
    ///     }
    ///
    ///     fn apply(config: &Config) -> Result<Outcome, Failure> {
    ///         let to = "deploy@shop.example.com:/srv/shop/";
    ///         let completion = Command::new("rsync").arguments(["--checksum", config.file.as_str(), to]).stream()?;
    ///         if !completion.succeeded() {
    ///             return Err(Failure::unavailable("not-uploaded", format!("`{}` was not uploaded", config.file))
    ///                 .because(format!("`rsync` ended with {}", completion.ending()))
    ///                 .because(completion.tail));
    ///         }
    ///         Ok(Outcome::new(format!("uploaded `{}`", config.file)))
    ///     }
    /// }
    ///
    /// windlass_plugin::export!(Upload);
    /// # fn main() {}
    /// ```
    pub fn exec(program: impl Into<String>) -> ExecRequest {
        ExecRequest(Exec {
            program: program.into(),
            arguments: vec![],
            directory: ".".into(),
            variables: vec![],
            toolchains: vec![],
            background: false,
            writes: vec![],
            connects: Ports::These(vec![]),
        })
    }

    /// Send `GET` requests to any path of one host; change that with the methods of [`HttpRequest`].
    ///
    /// ```
    /// use windlass_plugin::{http::Request, Capability, Failure, Intent, Outcome, Phases, Step};
    ///
    /// /// Asks a host whether it is well.
    /// pub struct Health;
    ///
    /// /// The step's `with`.
    /// #[derive(serde::Deserialize, schemars::JsonSchema)]
    /// #[serde(deny_unknown_fields)]
    /// pub struct Config {
    ///     /// The host whose health is asked for.
    ///     host: String,
    /// }
    ///
    /// impl Step for Health {
    ///     const NAME: &'static str = "health";
    ///     const VERSION: &'static str = env!("CARGO_PKG_VERSION");
    ///     const SUMMARY: &'static str = "Asks a host whether it is well.";
    ///     type Config = Config;
    ///     type Record = ();
    ///
    ///     fn requires(config: &Config) -> Result<Vec<Capability>, Failure> {
    ///         Ok(vec![Capability::http("https", &config.host, 443).path("/health").during(Phases::APPLY | Phases::REVERT)])
    ///     }
    ///
    ///     fn plan(config: &Config) -> Result<Vec<Intent>, Failure> {
    ///         Ok(vec![Intent::checks("health", format!("ask `{}` whether it is well", config.host))])
    ///     }
    ///
    ///     fn apply(config: &Config) -> Result<Outcome, Failure> {
    ///         // A host that was not granted, or that cannot be reached, is a failure that says so.
    ///         let response = Request::get(format!("https://{}/health", config.host)).send()?;
    ///         if response.status != 200 {
    ///             return Err(Failure::check_failed("unhealthy", format!("`{}` is not well", config.host))
    ///                 .because(format!("it answered {}", response.status)));
    ///         }
    ///         Ok(Outcome::new(format!("`{}` is well", config.host)))
    ///     }
    /// }
    ///
    /// windlass_plugin::export!(Health);
    /// # fn main() {}
    /// ```
    pub fn http(scheme: impl Into<String>, host: impl Into<String>, port: u16) -> HttpRequest {
        HttpRequest(Http {
            scheme: scheme.into(),
            host: host.into(),
            port,
            methods: vec!["GET".into()],
            path: "/".into(),
            addresses: vec![],
        })
    }

    /// Learn whether a port accepts connections.
    ///
    /// ```
    /// use windlass_plugin::{Capability, Failure, Intent, Outcome, Phases, Step, network};
    ///
    /// /// Sees whether the cache accepts connections.
    /// pub struct Cache;
    ///
    /// /// The step's `with`.
    /// #[derive(serde::Deserialize, schemars::JsonSchema)]
    /// #[serde(deny_unknown_fields)]
    /// pub struct Config {
    ///     /// The host of the cache.
    ///     host: String,
    /// }
    ///
    /// impl Step for Cache {
    ///     const NAME: &'static str = "cache";
    ///     const VERSION: &'static str = env!("CARGO_PKG_VERSION");
    ///     const SUMMARY: &'static str = "Sees whether the cache accepts connections.";
    ///     type Config = Config;
    ///     type Record = ();
    ///
    ///     fn requires(config: &Config) -> Result<Vec<Capability>, Failure> {
    ///         Ok(vec![Capability::tcp_probe(&config.host, 6379, ["private"], Phases::APPLY | Phases::REVERT)])
    ///     }
    ///
    ///     fn plan(config: &Config) -> Result<Vec<Intent>, Failure> {
    ///         Ok(vec![Intent::checks("cache", format!("see whether `{}` accepts connections", config.host))])
    ///     }
    ///
    ///     fn apply(config: &Config) -> Result<Outcome, Failure> {
    ///         let microseconds = network::probe_tcp(&config.host, 6379, 2_000)?;
    ///         Ok(Outcome::new(format!("`{}` accepted a connection after {microseconds} µs", config.host)))
    ///     }
    /// }
    ///
    /// windlass_plugin::export!(Cache);
    /// # fn main() {}
    /// ```
    pub fn tcp_probe<T: Into<String>>(
        host: impl Into<String>,
        port: u16,
        addresses: impl IntoIterator<Item = T>,
        phases: Phases,
    ) -> Self {
        let addresses = addresses.into_iter().map(Into::into).collect();
        Self { grant: Grant::TcpProbe(TcpProbe { host: host.into(), port, addresses }), phases }
    }

    /// See a directory tree, relative to the project.
    ///
    /// ```
    /// use windlass_plugin::{ALL_PHASES, Access, Capability, Failure, Intent, Outcome, Step};
    ///
    /// /// Writes what a site is called into a file.
    /// pub struct Title;
    ///
    /// /// The step's `with`.
    /// #[derive(serde::Deserialize, schemars::JsonSchema)]
    /// #[serde(deny_unknown_fields)]
    /// pub struct Config {
    ///     /// What the site says of itself.
    ///     title: String,
    /// }
    ///
    /// impl Step for Title {
    ///     const NAME: &'static str = "title";
    ///     const VERSION: &'static str = env!("CARGO_PKG_VERSION");
    ///     const SUMMARY: &'static str = "Writes what a site is called into a file.";
    ///     type Config = Config;
    ///     type Record = ();
    ///
    ///     fn requires(config: &Config) -> Result<Vec<Capability>, Failure> {
    ///         let _ = config;
    ///         // While the plan is made it is narrowed to reading.
    ///         Ok(vec![Capability::directory("site", Access::Write, ALL_PHASES)])
    ///     }
    ///
    ///     fn plan(config: &Config) -> Result<Vec<Intent>, Failure> {
    ///         let now = std::fs::read_to_string("site/title.txt").unwrap_or_default();
    ///         let changes = Intent::changes("title", format!("call the site `{}`, which is `{now}`", config.title));
    ///         Ok(if now == config.title { vec![] } else { vec![changes] })
    ///     }
    ///
    ///     fn apply(config: &Config) -> Result<Outcome, Failure> {
    ///         std::fs::write("site/title.txt", &config.title).map_err(|error| {
    ///             Failure::misconfigured("title-unwritable", "`site/title.txt` cannot be written").because(error)
    ///         })?;
    ///         Ok(Outcome::new(format!("the site is called `{}`", config.title)))
    ///     }
    /// }
    ///
    /// windlass_plugin::export!(Title);
    /// # fn main() {}
    /// ```
    pub fn directory(path: impl Into<String>, access: Access, phases: Phases) -> Self {
        Self { grant: Grant::Directory(Directory { path: path.into(), access }), phases }
    }

    /// Read an environment variable.
    ///
    /// ```
    /// use windlass_plugin::{ALL_PHASES, Capability, Failure, Intent, Outcome, Step};
    ///
    /// /// Hands an address on to later steps.
    /// pub struct Address;
    ///
    /// /// The step's `with`.
    /// #[derive(serde::Deserialize, schemars::JsonSchema)]
    /// #[serde(deny_unknown_fields)]
    /// pub struct Config {
    ///     /// The variable that has the address.
    ///     variable: String,
    /// }
    ///
    /// impl Step for Address {
    ///     const NAME: &'static str = "address";
    ///     const VERSION: &'static str = env!("CARGO_PKG_VERSION");
    ///     const SUMMARY: &'static str = "Hands an address on to later steps.";
    ///     type Config = Config;
    ///     type Record = ();
    ///
    ///     fn requires(config: &Config) -> Result<Vec<Capability>, Failure> {
    ///         Ok(vec![Capability::environment(&config.variable, ALL_PHASES)])
    ///     }
    ///
    ///     fn plan(config: &Config) -> Result<Vec<Intent>, Failure> {
    ///         Ok(vec![Intent::reads("address", format!("read the address from `{}`", config.variable))])
    ///     }
    ///
    ///     fn apply(config: &Config) -> Result<Outcome, Failure> {
    ///         // A variable that was not granted is not there either.
    ///         let address = std::env::var(&config.variable).map_err(|_| {
    ///             Failure::misconfigured("no-address", format!("`{}` is not set", config.variable))
    ///         })?;
    ///         Ok(Outcome::new(format!("the address is `{address}`")).with_output("address", address))
    ///     }
    /// }
    ///
    /// windlass_plugin::export!(Address);
    /// # fn main() {}
    /// ```
    pub fn environment(name: impl Into<String>, phases: Phases) -> Self {
        Self { grant: Grant::Environment(name.into()), phases }
    }

    /// Use the database whose URL is the secret of this name. Ask for [`Capability::secret`] with
    /// [`SecretUse::Database`] too.
    pub fn secret_database(name: impl Into<String>, access: Access, phases: Phases) -> Self {
        Self { grant: Grant::Database(Database { name: name.into(), url: None, access }), phases }
    }

    /// Use a database by a URL that holds no password.
    ///
    /// ```
    /// use windlass_plugin::{database::Connection, Access, Capability, Failure, Intent, Outcome, Phases, Step};
    ///
    /// /// Counts products.
    /// pub struct Products;
    ///
    /// /// The step's `with`.
    /// #[derive(serde::Deserialize, schemars::JsonSchema)]
    /// #[serde(deny_unknown_fields)]
    /// pub struct Config {
    ///     /// The least number of products.
    ///     least: i64,
    /// }
    ///
    /// impl Step for Products {
    ///     const NAME: &'static str = "products";
    ///     const VERSION: &'static str = env!("CARGO_PKG_VERSION");
    ///     const SUMMARY: &'static str = "Counts products.";
    ///     type Config = Config;
    ///     type Record = ();
    ///
    ///     fn requires(config: &Config) -> Result<Vec<Capability>, Failure> {
    ///         let _ = config;
    ///         Ok(vec![Capability::database("shop", "sqlite:var/shop.db", Access::Read, Phases::APPLY | Phases::REVERT)])
    ///     }
    ///
    ///     fn plan(config: &Config) -> Result<Vec<Intent>, Failure> {
    ///         Ok(vec![Intent::checks("products", format!("see whether there are {} products", config.least))])
    ///     }
    ///
    ///     fn apply(config: &Config) -> Result<Outcome, Failure> {
    ///         let rows = Connection::open("shop")?.query("SELECT count(*) FROM product", &[])?;
    ///         let count = rows.first().and_then(|value| value.as_integer()).unwrap_or_default();
    ///         if count < config.least {
    ///             return Err(Failure::check_failed("too-few-products", format!("there are {count} products"))
    ///                 .because(format!("there have to be {}", config.least)));
    ///         }
    ///         Ok(Outcome::new(format!("there are {count} products")))
    ///     }
    /// }
    ///
    /// windlass_plugin::export!(Products);
    /// # fn main() {}
    /// ```
    pub fn database(name: impl Into<String>, url: impl Into<String>, access: Access, phases: Phases) -> Self {
        Self { grant: Grant::Database(Database { name: name.into(), url: Some(url.into()), access }), phases }
    }

    /// Use a secret for one thing.
    ///
    /// ```
    /// use windlass_plugin::{http::Request, secrets, Capability, Failure, Intent, Outcome, Phases, SecretReference, SecretUse, Step};
    ///
    /// /// Empties a cache.
    /// pub struct Purge;
    ///
    /// /// The step's `with`.
    /// #[derive(serde::Deserialize, schemars::JsonSchema)]
    /// #[serde(deny_unknown_fields)]
    /// pub struct Config {
    ///     /// The secret with the token.
    ///     token: SecretReference,
    /// }
    ///
    /// impl Step for Purge {
    ///     const NAME: &'static str = "purge";
    ///     const VERSION: &'static str = env!("CARGO_PKG_VERSION");
    ///     const SUMMARY: &'static str = "Empties a cache.";
    ///     type Config = Config;
    ///     type Record = ();
    ///
    ///     fn requires(config: &Config) -> Result<Vec<Capability>, Failure> {
    ///         let header = SecretUse::Header("https://api.example.com".into());
    ///         Ok(vec![
    ///             Capability::http("https", "api.example.com", 443).methods(["POST"]).path("/purge").during(Phases::APPLY),
    ///             Capability::secret(&config.token.secret, header, Phases::APPLY),
    ///         ])
    ///     }
    ///
    ///     fn plan(config: &Config) -> Result<Vec<Intent>, Failure> {
    ///         let _ = config;
    ///         Ok(vec![Intent::irreversible("purge", "empty the cache at `api.example.com`")])
    ///     }
    ///
    ///     fn apply(config: &Config) -> Result<Outcome, Failure> {
    ///         // The plugin never has the token: the host puts it where its stand-in is, on the way to that origin only.
    ///         let token = secrets::placeholder(&config.token.secret)?.ok_or_else(|| {
    ///             Failure::misconfigured("no-token", format!("the secret `{}` is not set", config.token.secret))
    ///         })?;
    ///         let request = Request::post("https://api.example.com/purge").header("authorization", format!("Bearer {token}"));
    ///         match request.send()?.status {
    ///             204 => Ok(Outcome::new("emptied the cache")),
    ///             status => Err(Failure::unavailable("not-purged", "the cache was not emptied").because(status)),
    ///         }
    ///     }
    /// }
    ///
    /// windlass_plugin::export!(Purge);
    /// # fn main() {}
    /// ```
    pub fn secret(name: impl Into<String>, usage: SecretUse, phases: Phases) -> Self {
        Self { grant: Grant::Secret(Secret { name: name.into(), usage }), phases }
    }

    /// Use a secret as this variable of one program, as [`Capability::exec`] names it, or of each that is granted.
    pub fn secret_variable(
        name: impl Into<String>,
        variable: impl Into<String>,
        program: Option<String>,
        phases: Phases,
    ) -> Self {
        Self::secret(name, SecretUse::ChildVariable(SecretVariable { variable: variable.into(), program }), phases)
    }

    /// Use a secret as a whole URL.
    pub fn secret_url<T: Into<String>, U: Into<String>>(
        name: impl Into<String>,
        methods: impl IntoIterator<Item = T>,
        addresses: impl IntoIterator<Item = U>,
        phases: Phases,
    ) -> Self {
        let methods = methods.into_iter().map(Into::into).collect();
        let addresses = addresses.into_iter().map(Into::into).collect();
        Self::secret(name, SecretUse::Url(SecretUrl { methods, addresses }), phases)
    }
}
