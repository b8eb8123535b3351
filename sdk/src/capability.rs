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
    pub fn directory(path: impl Into<String>, access: Access, phases: Phases) -> Self {
        Self { grant: Grant::Directory(Directory { path: path.into(), access }), phases }
    }

    /// Read an environment variable.
    pub fn environment(name: impl Into<String>, phases: Phases) -> Self {
        Self { grant: Grant::Environment(name.into()), phases }
    }

    /// Use the database whose URL is the secret of this name. Ask for [`Capability::secret`] with
    /// [`SecretUse::Database`] too.
    pub fn secret_database(name: impl Into<String>, access: Access, phases: Phases) -> Self {
        Self { grant: Grant::Database(Database { name: name.into(), url: None, access }), phases }
    }

    /// Use a database by a URL that holds no password.
    pub fn database(name: impl Into<String>, url: impl Into<String>, access: Access, phases: Phases) -> Self {
        Self { grant: Grant::Database(Database { name: name.into(), url: Some(url.into()), access }), phases }
    }

    /// Use a secret for one thing.
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
