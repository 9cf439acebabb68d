//! Traces by OpenTelemetry, from the request that submits a job to each of its runs. Off unless the environment names a
//! collector.
//!
//! Invariant: a run is a span in the trace of the request that submitted its job, however much later and in whatever
//! process it runs: the job carries the request's `traceparent` as a label. Spans are sent by a thread of their own; when
//! the collector is slow or gone they are dropped, and no job waits.

use std::{
    collections::HashMap,
    env,
    sync::Arc,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use longhaul::{
    engine::{Observer, Ran},
    store::End,
};
use longhaul_server::{TRACEPARENT, Trace, Traces as RequestTraces};
use longhaul_types::{JobError, Timestamp};
use opentelemetry::{
    Context, KeyValue,
    propagation::TextMapPropagator,
    trace::{
        Span as _, SpanContext, SpanKind, Status, TraceContextExt as _, Tracer as _,
        TracerProvider as _,
    },
};
use opentelemetry_otlp::SpanExporter;
use opentelemetry_sdk::{
    Resource,
    propagation::TraceContextPropagator,
    trace::{SdkTracer, SdkTracerProvider, Span},
};

use crate::{
    VERSION,
    exit::{Fail, Result},
};

/// What names a collector: `http://localhost:4318` for the first, the whole address of its traces for the second.
const ENDPOINTS: [&str; 2] = [
    "OTEL_EXPORTER_OTLP_ENDPOINT",
    "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT",
];
/// The standard's switch.
const DISABLED: &str = "OTEL_SDK_DISABLED";
/// Time in which the last spans must have been sent.
const LAST: Duration = Duration::from_secs(5);

/// Keeps traces of requests and runs. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Traces {
    provider: SdkTracerProvider,
    tracer: SdkTracer,
    propagator: Arc<TraceContextPropagator>,
}

impl Traces {
    /// Traces to the collector that the environment names; none when it names none. The other settings of the standard
    /// hold too: `OTEL_TRACES_SAMPLER`, `OTEL_SERVICE_NAME`, `OTEL_RESOURCE_ATTRIBUTES`, `OTEL_EXPORTER_OTLP_HEADERS`.
    pub fn from_environment() -> Result<Option<Self>> {
        let named = ENDPOINTS
            .iter()
            .any(|name| env::var_os(name).is_some_and(|value| !value.is_empty()));
        let disabled = env::var(DISABLED).is_ok_and(|value| value.eq_ignore_ascii_case("true"));
        if !named || disabled {
            return Ok(None);
        }
        longhaul_client::install_crypto();
        let exporter = SpanExporter::builder().with_http().build().map_err(|error| {
            Fail::usage(format!("traces can not be sent: {error}"))
                .hint("OTEL_EXPORTER_OTLP_ENDPOINT is the address of a collector that takes OTLP over HTTP: http://localhost:4318")
        })?;
        let mut resource = Resource::builder();
        if env::var_os("OTEL_SERVICE_NAME").is_none() {
            resource = resource.with_service_name("longhaul");
        }
        let resource = resource.with_attribute(KeyValue::new("service.version", VERSION));
        let provider = SdkTracerProvider::builder()
            .with_resource(resource.build())
            .with_batch_exporter(exporter)
            .build();
        Ok(Some(Self {
            tracer: provider.tracer("longhaul"),
            provider,
            propagator: Arc::new(TraceContextPropagator::new()),
        }))
    }

    /// Sends what is left, and no more. Waits for that a few seconds at most.
    pub fn stop(&self) {
        if let Err(error) = self.provider.shutdown_with_timeout(LAST) {
            tracing::warn!(%error, "the last traces were not sent");
        }
    }

    /// What a `traceparent` names.
    fn parent(&self, traceparent: Option<&str>) -> Context {
        let Some(text) = traceparent else {
            return Context::new();
        };
        let carrier = HashMap::from([(TRACEPARENT.to_owned(), text.to_owned())]);
        self.propagator
            .extract_with_context(&Context::new(), &carrier)
    }
}

impl RequestTraces for Traces {
    fn begin(&self, method: &str, route: &str, traceparent: Option<&str>) -> Box<dyn Trace> {
        let span = self
            .tracer
            .span_builder(format!("{method} {route}"))
            .with_kind(SpanKind::Server)
            .with_attributes([
                KeyValue::new("http.request.method", method.to_owned()),
                KeyValue::new("http.route", route.to_owned()),
            ])
            .start_with_context(&self.tracer, &self.parent(traceparent));
        Box::new(Request(span))
    }
}

/// A request that is answered.
struct Request(Span);

impl Trace for Request {
    fn traceparent(&self) -> Option<String> {
        let context = self.0.span_context();
        context.is_sampled().then(|| traceparent(context))
    }

    fn end(mut self: Box<Self>, status: u16) {
        let code = KeyValue::new("http.response.status_code", i64::from(status));
        self.0.set_attribute(code);
        if status >= 500 {
            self.0.set_status(Status::error(""));
        }
        self.0.end();
    }
}

/// As the W3C writes it.
fn traceparent(context: &SpanContext) -> String {
    format!(
        "00-{}-{}-{:02x}",
        context.trace_id(),
        context.span_id(),
        context.trace_flags().to_u8()
    )
}

impl Observer for Traces {
    /// A run of a job that nobody follows is no span: a hundred thousand monitors would be nothing but noise.
    fn ran(&self, run: &Ran<'_>) {
        let Some(traceparent) = run.job.labels.get(TRACEPARENT) else {
            return;
        };
        let parent = self.parent(Some(traceparent));
        if !parent.span().span_context().is_valid() {
            return;
        }
        let (outcome, error) = outcome(run.end);
        let mut span = self
            .tracer
            .span_builder(format!("run {}", run.job.kind))
            .with_kind(SpanKind::Consumer)
            .with_start_time(time(run.began))
            .with_attributes([
                KeyValue::new("longhaul.job.id", run.job.id.to_string()),
                KeyValue::new("longhaul.job.kind", run.job.kind.clone()),
                KeyValue::new("longhaul.job.queue", run.job.queue.clone()),
                KeyValue::new("longhaul.attempt", i64::from(run.attempt)),
                KeyValue::new("longhaul.outcome", outcome),
            ])
            .start_with_context(&self.tracer, &parent);
        if let Some(error) = error {
            span.set_attribute(KeyValue::new("error.type", error.code.clone()));
            // Not its message, which may hold what is nobody else's business.
            span.set_status(Status::error(error.code.clone()));
        }
        span.end_with_timestamp(time(run.stopped));
    }
}

fn outcome(end: Option<&End>) -> (&'static str, Option<&JobError>) {
    match end {
        Some(End::Complete { .. }) => ("completed", None),
        Some(End::Fail { error }) => ("failed", Some(error)),
        Some(End::Retry { error, .. }) => ("retried", Some(error)),
        Some(End::CheckAgain { .. } | End::CheckLater { .. }) => ("check_again", None),
        Some(End::Release { .. }) => ("released", None),
        Some(End::Cancelled) => ("cancelled", None),
        None => ("lost", None),
    }
}

fn time(at: Timestamp) -> SystemTime {
    UNIX_EPOCH + Duration::from_millis(u64::try_from(at.0).unwrap_or_default())
}
