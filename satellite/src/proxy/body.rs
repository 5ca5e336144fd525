//! Bodies on their way through: never held, watched for pauses, and cut when their session ends.
//!
//! Why: an upload of any size takes the memory of one frame (threat-model D3); a client that stops in the middle of one
//! holds nothing for long (D1); a stream of events does not outlive the session that it was opened with (B6).

use std::{
    future::Future as _,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicU8, AtomicU64, Ordering},
    },
    task::{Context, Poll},
    time::Duration,
};

use axum::{body::Body, response::Response};
use hallpass_shared::rejection::Rejection;
use http::{HeaderMap, HeaderName, header};
use hyper::body::{Body as HttpBody, Bytes, Frame, Incoming, SizeHint};
use tokio::time::{Instant, Sleep};

use super::Times;
use crate::lease::Session;

/// Why a body broke off.
#[derive(Debug, thiserror::Error)]
pub(super) enum Broken {
    #[error("the app's answer broke off")]
    Upstream(#[source] hyper::Error),
    #[error("the app paused for too long")]
    Pause,
    #[error("the session is over")]
    SessionOver,
}

/// How far a request's body is.
#[derive(Debug)]
pub(super) struct Progress {
    started: Instant,
    /// Milliseconds after the start when something last moved.
    moved: AtomicU64,
    phase: AtomicU8,
}

const WAITING_FOR_CLIENT: u8 = 1;
const WAITING_FOR_APP: u8 = 0;
const DONE: u8 = 2;
const BROKEN: u8 = 3;

impl Progress {
    pub(super) fn new() -> Arc<Self> {
        let phase = AtomicU8::new(WAITING_FOR_APP);
        Arc::new(Self { started: Instant::now(), moved: AtomicU64::new(0), phase })
    }

    fn moved(&self, phase: u8) {
        let since = u64::try_from(self.started.elapsed().as_millis()).unwrap_or(u64::MAX);
        self.moved.store(since, Ordering::Relaxed);
        self.phase.store(phase, Ordering::Relaxed);
    }

    /// Whether the client's body broke off: no fault of the app.
    pub(super) fn is_broken(&self) -> bool {
        self.phase.load(Ordering::Relaxed) == BROKEN
    }

    /// When it has taken too long, and whose fault that is.
    pub(super) fn limit(&self, times: &Times) -> (Instant, Rejection) {
        let moved = self.started + Duration::from_millis(self.moved.load(Ordering::Relaxed));
        if self.phase.load(Ordering::Relaxed) == WAITING_FOR_CLIENT {
            return (moved + times.body, Rejection::TimedOut);
        }
        (moved + times.response, Rejection::GatewayTimeout)
    }
}

/// A request's body on its way to the app.
#[derive(Debug)]
pub(super) struct Upload {
    body: Body,
    progress: Arc<Progress>,
    trailers: Arc<[HeaderName]>,
}

impl Upload {
    pub(super) fn new(body: Body, progress: Arc<Progress>, trailers: Arc<[HeaderName]>) -> Self {
        Self { body, progress, trailers }
    }
}

impl HttpBody for Upload {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        let polled = Pin::new(&mut self.body).poll_frame(context);
        match polled {
            Poll::Pending => {
                if self.progress.phase.load(Ordering::Relaxed) != WAITING_FOR_CLIENT {
                    self.progress.moved(WAITING_FOR_CLIENT);
                }
                Poll::Pending
            }
            Poll::Ready(Some(Ok(frame))) => {
                self.progress.moved(WAITING_FOR_APP);
                // Trailers could say who somebody is as headers can (threat-model H5).
                let frame = match frame.into_trailers() {
                    Ok(trailers) => match only(&trailers, &self.trailers) {
                        Some(trailers) => Frame::trailers(trailers),
                        None => return Poll::Ready(None),
                    },
                    Err(frame) => frame,
                };
                Poll::Ready(Some(Ok(frame)))
            }
            ended @ Poll::Ready(_) => {
                let whole = matches!(ended, Poll::Ready(None));
                self.progress.moved(if whole { DONE } else { BROKEN });
                ended
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

fn only(trailers: &HeaderMap, allowed: &[HeaderName]) -> Option<HeaderMap> {
    let kept: HeaderMap = trailers
        .iter()
        .filter(|(name, _)| allowed.contains(name))
        .map(|(name, value)| (name.clone(), value.clone()))
        .collect();
    (!kept.is_empty()).then_some(kept)
}

/// The app's answer, as a stream that ends with its session.
pub(super) fn streamed(answer: http::Response<Incoming>, session: Session, pause: Duration) -> Response {
    let (parts, body) = answer.into_parts();
    if body.is_end_stream() {
        return Response::from_parts(parts, Body::empty());
    }
    let moved = Instant::now();
    Response::from_parts(parts, Body::new(Stream { body, pause, moved, session, alarm: None }))
}

struct Stream {
    body: Incoming,
    pause: Duration,
    moved: Instant,
    session: Session,
    alarm: Option<Pin<Box<Sleep>>>,
}

impl Stream {
    /// Whether the time has come to look again, or to give up.
    fn alarm_rings(&mut self, context: &mut Context<'_>) -> bool {
        let until = self.session.watched_from().unwrap_or(self.moved + self.pause);
        let alarm = self.alarm.get_or_insert_with(|| Box::pin(tokio::time::sleep_until(until)));
        if alarm.deadline() != until {
            alarm.as_mut().reset(until);
        }
        alarm.as_mut().poll(context).is_ready()
    }
}

impl HttpBody for Stream {
    type Data = Bytes;
    type Error = Broken;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Broken>>> {
        loop {
            if self.session.poll_over(context).is_ready() {
                return Poll::Ready(Some(Err(Broken::SessionOver)));
            }
            match Pin::new(&mut self.body).poll_frame(context) {
                Poll::Ready(polled) => {
                    self.moved = Instant::now();
                    let frame = polled.map(|frame| frame.map(without_cookies).map_err(Broken::Upstream));
                    return Poll::Ready(frame);
                }
                Poll::Pending if self.alarm_rings(context) => {
                    if self.session.watched_from().is_none() {
                        return Poll::Ready(Some(Err(Broken::Pause)));
                    }
                }
                Poll::Pending => return Poll::Pending,
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// Trailers may not set cookies either.
fn without_cookies(frame: Frame<Bytes>) -> Frame<Bytes> {
    match frame.into_trailers() {
        Ok(mut trailers) => {
            trailers.remove(header::SET_COOKIE);
            Frame::trailers(trailers)
        }
        Err(frame) => frame,
    }
}
