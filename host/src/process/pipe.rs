//! What a child writes to.

#[cfg(unix)]
pub(super) use self::unix::Pipe;

#[cfg(not(unix))]
pub(super) use self::other::Pipe;

#[cfg(unix)]
mod unix {
    use std::fs::File;
    use std::io::{self, PipeWriter, Read};
    use std::os::fd::OwnedFd;
    use tokio::net::unix::pipe::Receiver;

    /// The most that a pipe can hold without being asked for more, and at which more pays, in bytes.
    const USUAL: usize = 64 << 10;

    /// The most that a pipe can hold on any system, in bytes.
    const MOST: usize = 1 << 20;

    /// Our end of a pipe.
    #[derive(Debug)]
    pub(in crate::process) struct Pipe {
        receiver: Receiver,
        enlarged: bool,
    }

    impl Pipe {
        /// A pipe: our end, and the child's. Both are closed on exec, but for what becomes the child's own output.
        pub(in crate::process) fn pair() -> io::Result<(Self, PipeWriter)> {
            let (ours, theirs) = io::pipe()?;
            Ok((Self { receiver: Receiver::from_owned_fd(OwnedFd::from(ours))?, enlarged: false }, theirs))
        }

        /// Reads some bytes, or none at the end. Nothing is lost where it is not waited for.
        pub(in crate::process) async fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            loop {
                self.receiver.readable().await?;
                match self.receiver.try_read(buffer) {
                    Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                    read => {
                        self.enlarge(read.as_ref().copied().unwrap_or_default());
                        return read;
                    }
                }
            }
        }

        /// Makes the pipe larger for a child that fills it: it is then woken less often.
        fn enlarge(&mut self, read: usize) {
            if read >= USUAL && !self.enlarged {
                self.enlarged = true;
                #[cfg(target_os = "linux")]
                let _ =
                    nix::fcntl::fcntl(&self.receiver, nix::fcntl::FcntlArg::F_SETPIPE_SZ(super::super::READ as i32));
            }
        }

        /// Hands on what is in the pipe now. No more than a pipe can hold: whoever still has the other end may go on
        /// writing for ever.
        pub(in crate::process) async fn drain(self, buffer: &mut [u8], give: &mut impl FnMut(&[u8])) {
            // Asked of the system itself: the reactor may not know yet of what was written last.
            let Ok(descriptor) = self.receiver.into_nonblocking_fd() else { return };
            let mut file = File::from(descriptor);
            let mut left = MOST;
            while left > 0 {
                let most = buffer.len().min(left);
                match file.read(&mut buffer[..most]) {
                    Ok(0) => break,
                    Ok(read) => {
                        give(&buffer[..read]);
                        left -= read;
                    }
                    Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                    Err(_) => break,
                }
            }
        }
    }
}

#[cfg(not(unix))]
mod other {
    use std::io;
    use std::time::Duration;
    use tokio::io::{AsyncRead, AsyncReadExt};

    /// How long what is in a pipe may take to be read.
    const PATIENCE: Duration = Duration::from_millis(50);

    /// Our end of a pipe.
    pub(in crate::process) struct Pipe(Box<dyn AsyncRead + Send + Unpin>);

    impl Pipe {
        pub(in crate::process) fn of(end: impl AsyncRead + Send + Unpin + 'static) -> Self {
            Self(Box::new(end))
        }

        /// Reads some bytes, or none at the end. Nothing is lost where it is not waited for.
        pub(in crate::process) async fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            self.0.read(buffer).await
        }

        /// Hands on what is in the pipe now.
        pub(in crate::process) async fn drain(mut self, buffer: &mut [u8], give: &mut impl FnMut(&[u8])) {
            let mut left = 1_usize << 20;
            while left > 0 {
                match tokio::time::timeout(PATIENCE, self.0.read(buffer)).await {
                    Ok(Ok(read)) if read > 0 => {
                        give(&buffer[..read]);
                        left = left.saturating_sub(read);
                    }
                    _ => break,
                }
            }
        }
    }
}
