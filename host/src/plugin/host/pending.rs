//! Replaced as the rooms land.
use super::{State, broken_promise};
use crate::plugin::bindings::windlass::plugin as interfaces;
use crate::plugin::bindings::windlass::plugin::types as wit;
use interfaces::database::{Connection, Engine, Rows, Value};
use wasmtime::component::Resource;

impl interfaces::network::Host for State {
    async fn probe_tcp(&mut self, _: String, _: u16, _: u64) -> wasmtime::Result<Result<u64, wit::Failure>> {
        Ok(Err(broken_promise("pending", "pending")))
    }
}
impl interfaces::database::Host for State {}
impl interfaces::database::HostConnection for State {
    async fn open(&mut self, _: String) -> wasmtime::Result<Result<Resource<Connection>, wit::Failure>> {
        Ok(Err(broken_promise("pending", "pending")))
    }
    async fn engine(&mut self, _: Resource<Connection>) -> wasmtime::Result<Engine> { Ok(Engine::Sqlite) }
    async fn version(&mut self, _: Resource<Connection>) -> wasmtime::Result<String> { Ok(String::new()) }
    async fn execute(&mut self, _: Resource<Connection>, _: String, _: Vec<Value>) -> wasmtime::Result<Result<u64, wit::Failure>> {
        Ok(Err(broken_promise("pending", "pending")))
    }
    async fn query(&mut self, _: Resource<Connection>, _: String, _: Vec<Value>) -> wasmtime::Result<Result<Rows, wit::Failure>> {
        Ok(Err(broken_promise("pending", "pending")))
    }
    async fn script(&mut self, _: Resource<Connection>, _: String) -> wasmtime::Result<Result<(), wit::Failure>> {
        Ok(Err(broken_promise("pending", "pending")))
    }
    async fn drop(&mut self, _: Resource<Connection>) -> wasmtime::Result<()> { Ok(()) }
}
type Sent = wasmtime_wasi_http::Error;
impl wasmtime_wasi_http::WasiHttpHooks for super::secrets::Egress {
    fn send_request(&mut self, _: http::Request<wasmtime_wasi_http::WasiBody>, _: Option<wasmtime_wasi_http::RequestOptions>, _: Box<dyn Future<Output = Result<(), Sent>> + Send>)
      -> Box<dyn Future<Output = Result<(http::Response<wasmtime_wasi_http::WasiBody>, Box<dyn Future<Output = Result<(), Sent>> + Send>), Sent>> + Send> {
        Box::new(async { Err(Sent::HttpRequestDenied) })
    }
}
