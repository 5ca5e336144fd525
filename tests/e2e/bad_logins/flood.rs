//! A backend that sends far too much, and knows how much of it was taken.

use std::{
    net::{Ipv4Addr, SocketAddr},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpListener,
    task::JoinHandle,
};

pub(super) struct Flood {
    pub(super) address: SocketAddr,
    pub(super) total: usize,
    taken: Arc<AtomicUsize>,
    task: JoinHandle<()>,
}

impl Flood {
    /// Answers one request with `text`, `count` times.
    pub(super) async fn start(text: &str, count: usize) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        let taken = Arc::new(AtomicUsize::new(0));
        let (piece, total, counter) = (text.repeat(64 * 1024), text.len() * count, Arc::clone(&taken));
        let task = tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut request = [0; 4096];
            assert!(stream.read(&mut request).await.unwrap() > 0);
            let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {total}\r\n\r\n");
            stream.write_all(head.as_bytes()).await.unwrap();
            while counter.load(Ordering::SeqCst) < total {
                let Ok(written) = stream.write(piece.as_bytes()).await else { return };
                counter.fetch_add(written, Ordering::SeqCst);
            }
        });
        Self { address, total, taken, task }
    }

    /// How many bytes went out, the buffers between included.
    pub(super) async fn taken(self) -> usize {
        self.task.await.unwrap();
        self.taken.load(Ordering::SeqCst)
    }
}
