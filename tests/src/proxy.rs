//! The way to a server that only a proxy knows: by a name that no name server has, behind TLS with a certificate of an authority of
//! our own. The proxy keeps whom it was asked for.

use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use rustls::ServerConfig;
use rustls::pki_types::PrivatePkcs8KeyDer;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader, copy_bidirectional};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;
use tokio_rustls::TlsAcceptor;

/// The proxy, and TLS in front of the server.
#[derive(Debug)]
pub struct Proxy {
    address: SocketAddr,
    authority: String,
    asked: Arc<Mutex<Vec<String>>>,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<std::thread::JoinHandle<()>>,
}

impl Proxy {
    /// To the server on this port of loopback, which is `https://NAME` for whoever asks the proxy.
    ///
    /// # Panics
    /// Where nothing can be listened on.
    #[must_use]
    pub fn to(port: u16, name: &str) -> Self {
        let (authority, config) = certificates(&[name]);
        let asked = Arc::new(Mutex::new(Vec::new()));
        let (stop, stopped) = oneshot::channel::<()>();
        let (sender, receiver) = std::sync::mpsc::channel();
        let (name, kept) = (name.to_owned(), Arc::clone(&asked));
        let thread = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
            runtime.block_on(async move {
                let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.expect("a port");
                sender.send(listener.local_addr().expect("an address")).expect("who waits for it");
                let acceptor = TlsAcceptor::from(Arc::new(config));
                let serving = async {
                    while let Ok((stream, _)) = listener.accept().await {
                        let known = format!("{name}:443");
                        tokio::spawn(tunnel(stream, known, port, acceptor.clone(), Arc::clone(&kept)));
                    }
                };
                tokio::select! {
                    () = serving => {}
                    _ = stopped => {}
                }
            });
        });
        let address = receiver.recv().expect("an address");
        Self { address, authority, asked, stop: Some(stop), thread: Some(thread) }
    }

    /// Its address, as `HTTPS_PROXY` has it.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// The certificate of the authority, in PEM.
    #[must_use]
    pub fn authority(&self) -> &str {
        &self.authority
    }

    /// Whom it was asked for.
    ///
    /// # Panics
    /// Where a connection has panicked.
    #[must_use]
    pub fn asked(&self) -> Vec<String> {
        self.asked.lock().expect("no panic").clone()
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// One connection through the proxy, and what is behind it. None where it is another server that is asked for.
async fn tunnel(
    stream: TcpStream,
    known: String,
    port: u16,
    acceptor: TlsAcceptor,
    asked: Arc<Mutex<Vec<String>>>,
) -> Option<()> {
    let mut stream = BufReader::new(stream);
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") {
        if stream.read_line(&mut head).await.ok()? == 0 {
            return None;
        }
    }
    let whom = head.strip_prefix("CONNECT ")?.split(' ').next()?.to_owned();
    asked.lock().expect("no panic").push(whom.clone());
    if whom != known {
        return stream.write_all(b"HTTP/1.1 502 Bad Gateway\r\n\r\n").await.ok();
    }
    stream.write_all(b"HTTP/1.1 200 Connection established\r\n\r\n").await.ok()?;
    let mut stream = acceptor.accept(stream).await.ok()?;
    let mut server = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).await.ok()?;
    copy_bidirectional(&mut stream, &mut server).await.ok()?;
    Some(())
}

/// An authority, and a certificate of it for these names.
pub(crate) fn certificates(names: &[&str]) -> (String, ServerConfig) {
    let key = KeyPair::generate().expect("a key");
    let mut parameters = CertificateParams::default();
    parameters.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let authority = parameters.self_signed(&key).expect("an authority").pem();
    let issuer = Issuer::new(parameters, key);
    let own = KeyPair::generate().expect("a key");
    let parameters =
        CertificateParams::new(names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>()).expect("a name");
    let certificate = parameters.signed_by(&own, &issuer).expect("a certificate");
    let config = ServerConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()
        .expect("versions")
        .with_no_client_auth()
        .with_single_cert(vec![certificate.der().clone()], PrivatePkcs8KeyDer::from(own.serialize_der()).into());
    (authority, config.expect("a configuration"))
}
