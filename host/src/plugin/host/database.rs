//! Granted databases, by name.

use super::{State, broken_promise};
use crate::database::{self, Access, Fault};
use crate::fault;
use crate::plugin::bindings::windlass::plugin::database as interface;
use crate::plugin::bindings::windlass::plugin::types as wit;
use crate::policy::{Capability, Question};
use interface::{Engine, Rows, Value};
use std::time::Duration;
use wasmtime::component::Resource;

/// An open connection, as the guest holds it.
#[expect(unreachable_pub, reason = "the generated bindings re-export it")]
pub struct OpenConnection {
    connection: database::Connection,
    /// As it was granted.
    name: String,
}

/// How long connecting may take; the step's own timeout holds in any case.
const CONNECT: Duration = Duration::from_secs(30);

impl State {
    fn database_failure(&self, error: &database::Error) -> wit::Failure {
        let clean = |text: String| self.services.redactor.redact(&text).into_owned();
        wit::Failure {
            kind: match error.fault() {
                Fault::Misconfigured => wit::FailureKind::Misconfigured,
                Fault::Unavailable => wit::FailureKind::Unavailable,
                Fault::Denied => wit::FailureKind::Denied,
                Fault::Bug => wit::FailureKind::Bug,
            },
            code: error.code().into(),
            message: clean(error.to_string()),
            causes: error.causes().into_iter().map(clean).collect(),
            hint: error.hint().map(clean),
            note: None,
        }
    }

    fn connection(&mut self, handle: &Resource<OpenConnection>) -> wasmtime::Result<&mut database::Connection> {
        Ok(&mut self.table.get_mut(handle)?.connection)
    }
}

fn from_guest(value: Value) -> database::Value {
    match value {
        Value::Null => database::Value::Null,
        Value::Boolean(flag) => database::Value::Boolean(flag),
        Value::Integer(number) => database::Value::Integer(number),
        Value::Real(number) => database::Value::Real(number),
        Value::Text(text) => database::Value::Text(text),
        Value::Bytes(bytes) => database::Value::Bytes(bytes),
    }
}

fn to_guest(value: database::Value) -> Value {
    match value {
        database::Value::Null => Value::Null,
        database::Value::Boolean(flag) => Value::Boolean(flag),
        database::Value::Integer(number) => Value::Integer(number),
        database::Value::Real(number) => Value::Real(number),
        database::Value::Text(text) => Value::Text(text),
        database::Value::Bytes(bytes) => Value::Bytes(bytes),
    }
}

/// Where a database is that is none of the project's files.
fn away(url: &str, project: &std::path::Path) -> Option<&'static str> {
    if database::is_server(url) {
        return Some("on a server");
    }
    database::is_elsewhere(url, project).then_some("outside of the project")
}

impl interface::Host for State {}

impl interface::HostConnection for State {
    async fn open(&mut self, name: String) -> wasmtime::Result<Result<Resource<OpenConnection>, wit::Failure>> {
        let most = self.database_access(&name);
        let capability = match self.ask(&Question::Database { name: &name, access: most }) {
            Ok(Capability::Database(database)) => database,
            Ok(_) => return Ok(Err(broken_promise("bug", "the gate answered with another kind of capability"))),
            Err(failure) => return Ok(Err(failure)),
        };
        let url = match &capability.url {
            Some(url) => Some(url.clone()),
            None if let Err(failure) = self.ask(&Question::SecretDatabase { name: &name }) => return Ok(Err(failure)),
            None => self.services.secrets.get(&name).map(|secret| secret.expose().trim().to_owned()),
        };
        let Some(url) = url else {
            return Ok(Err(wit::Failure {
                kind: wit::FailureKind::Misconfigured,
                code: "secret-missing".into(),
                message: format!("the secret `{name}` is not set"),
                causes: vec![],
                hint: Some(format!("set `{name}` in the environment; in CI, pass the secret to the job")),
                note: None,
            }));
        };
        if let Some(stand_in) = self.services.outside.answering()
            && let Some(place) = away(&url, &self.services.project)
        {
            stand_in.database_away(&name, place);
            return Ok(Err(wit::Failure {
                kind: wit::FailureKind::Unavailable,
                code: "database-unreachable".into(),
                message: format!("the database `{name}` is {place}, and nothing stands in for that"),
                causes: vec![],
                hint: None,
                note: None,
            }));
        }
        let access = match most {
            crate::policy::Access::Read => Access::Read,
            crate::policy::Access::Write => Access::Write,
        };
        let opened =
            tokio::time::timeout(CONNECT, database::Connection::open(&url, &self.services.project, access)).await;
        Ok(match opened {
            Ok(Ok(connection)) => Ok(self.table.push(OpenConnection { connection, name })?),
            Ok(Err(error)) => {
                if error.fault() == Fault::Denied {
                    let asked =
                        format!("{}: {}", Question::Database { name: &name, access: most }, error.causes().join(": "));
                    super::locked(&self.gate).deny(&asked);
                }
                Err(self.database_failure(&error))
            }
            Err(_) => Err(wit::Failure {
                kind: wit::FailureKind::Unavailable,
                code: "database-unreachable".into(),
                message: format!("the database `{name}` did not answer within {} s", CONNECT.as_secs()),
                causes: vec![],
                hint: None,
                note: None,
            }),
        })
    }

    async fn engine(&mut self, handle: Resource<OpenConnection>) -> wasmtime::Result<Engine> {
        Ok(match self.connection(&handle)?.engine() {
            database::Engine::Sqlite => Engine::Sqlite,
            database::Engine::Postgresql => Engine::Postgresql,
            database::Engine::Mysql => Engine::Mysql,
            database::Engine::Mariadb => Engine::Mariadb,
        })
    }

    async fn version(&mut self, handle: Resource<OpenConnection>) -> wasmtime::Result<String> {
        Ok(self.connection(&handle)?.version().to_owned())
    }

    async fn execute(
        &mut self,
        handle: Resource<OpenConnection>,
        sql: String,
        parameters: Vec<Value>,
    ) -> wasmtime::Result<Result<u64, wit::Failure>> {
        let parameters: Vec<_> = parameters.into_iter().map(from_guest).collect();
        fault::point();
        let result = self.connection(&handle)?.execute(&sql, &parameters).await;
        fault::point();
        Ok(result.map_err(|error| self.refused_by(&handle, &error)))
    }

    async fn query(
        &mut self,
        handle: Resource<OpenConnection>,
        sql: String,
        parameters: Vec<Value>,
    ) -> wasmtime::Result<Result<Rows, wit::Failure>> {
        let parameters: Vec<_> = parameters.into_iter().map(from_guest).collect();
        let result = self.connection(&handle)?.query(&sql, &parameters).await;
        Ok(result
            .map(|rows| Rows {
                columns: rows.columns,
                rows: rows.rows.into_iter().map(|row| row.into_iter().map(to_guest).collect()).collect(),
            })
            .map_err(|error| self.refused_by(&handle, &error)))
    }

    async fn script(
        &mut self,
        handle: Resource<OpenConnection>,
        sql: String,
    ) -> wasmtime::Result<Result<(), wit::Failure>> {
        fault::point();
        let result = self.connection(&handle)?.script(&sql).await;
        fault::point();
        Ok(result.map_err(|error| self.refused_by(&handle, &error)))
    }

    async fn drop(&mut self, handle: Resource<OpenConnection>) -> wasmtime::Result<()> {
        self.table.delete(handle)?;
        Ok(())
    }
}

impl State {
    /// The most that may be done to the database of this name.
    fn database_access(&self, name: &str) -> crate::policy::Access {
        let gate = super::locked(&self.gate);
        let granted = gate.granted().find_map(|capability| match capability {
            Capability::Database(database) if database.name == name => Some(database.access),
            _ => None,
        });
        granted.map_or(crate::policy::Access::Read, |access| gate.narrow(access))
    }

    /// Why a statement was not run. One that would change what may only be read is a denial like any other.
    fn refused_by(&self, handle: &Resource<OpenConnection>, error: &database::Error) -> wit::Failure {
        if error.fault() == Fault::Denied
            && let Ok(open) = self.table.get(handle)
        {
            let question = Question::Database { name: &open.name, access: crate::policy::Access::Write };
            super::locked(&self.gate).refuse(&question);
        }
        self.database_failure(error)
    }
}
