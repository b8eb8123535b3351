//! TLS in front of a server on loopback, with a certificate of an authority of our own.

use crate::proxy::certificates;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;
use tokio_rustls::TlsAcceptor;

/// What is in front, until it is dropped.
#[derive(Debug)]
pub struct Secure {
    address: SocketAddr,
    authority: String,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<std::thread::JoinHandle<()>>,
}

impl Secure {
    /// In front of the server on this port of loopback, as `localhost` and as `127.0.0.1`.
    ///
    /// # Panics
    /// Where nothing can be listened on.
    #[must_use]
    pub fn before(port: u16) -> Self {
        let (authority, config) = certificates(&["localhost", "127.0.0.1"]);
        let (stop, stopped) = oneshot::channel::<()>();
        let (sender, receiver) = std::sync::mpsc::channel();
        let thread = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
            runtime.block_on(async move {
                let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.expect("a port");
                sender.send(listener.local_addr().expect("an address")).expect("who waits for it");
                let acceptor = TlsAcceptor::from(Arc::new(config));
                let serving = async {
                    while let Ok((stream, _)) = listener.accept().await {
                        let acceptor = acceptor.clone();
                        tokio::spawn(async move {
                            let mut stream = acceptor.accept(stream).await.ok()?;
                            let mut server = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).await.ok()?;
                            copy_bidirectional(&mut stream, &mut server).await.ok()
                        });
                    }
                };
                tokio::select! {
                    () = serving => {}
                    _ = stopped => {}
                }
            });
        });
        let address = receiver.recv().expect("an address");
        Self { address, authority, stop: Some(stop), thread: Some(thread) }
    }

    /// Its host and port.
    #[must_use]
    pub fn host(&self) -> String {
        format!("localhost:{}", self.address.port())
    }

    /// The URL of a path on it.
    #[must_use]
    pub fn url(&self, path: &str) -> String {
        format!("https://{}{path}", self.host())
    }

    /// The certificate of the authority, in PEM.
    #[must_use]
    pub fn authority(&self) -> &str {
        &self.authority
    }
}

impl Drop for Secure {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}
