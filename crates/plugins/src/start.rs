//! From the configuration to subscribed plugins: which of them may run, with what, and in which order.

use std::collections::{HashMap, HashSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use mimir_api::{Effects, Redaction};
use mimir_loader::{Declarations, Discovery, Examined, Found, GrantState, LoadError, LoadedPlugin, PluginLoader};
use mimir_registry::{
    EventBus, Failure, FailureKey, FailureKind, InMemoryStates, PluginRegistry, PluginState, Rank, Registration,
    StateStore, Subscriber, Subscription, subscriber_fn,
};
use mimir_sandbox::{CapabilityControl, PluginSandbox, SandboxOptions};
use mimir_shared_config::{
    Capabilities, Closed, Decision, Grant, GrantMode, Limits, PluginId, PluginManifest, PluginMode, Rules, effective,
};
use mimir_shared_platform::{
    AuditFolder, AuditLog, AuditRecord, Clock, FileAuditLog, Guard, HostProcesses, SystemClock,
};
use serde_json::json;

use crate::adapters::code_cache::CompiledCode;
use crate::adapters::declared::Declared;
use crate::adapters::host_calls::{ContextCalls, Traces};
use crate::adapters::policy::EventPolicy;
use crate::adapters::reporter::BusReporter;
use crate::adapters::state_store::{LoaderStates, Shared};
use crate::adapters::subscriber::{Around, Equipment, SandboxedPlugin};
use crate::auth::Tokens;
use crate::builder::Prepared;
use crate::builtin::precompact_hooks::{self, PreCompactHooks};
use crate::builtin::{TAKEN, is_taken};
use crate::closed::close_places;
use crate::context::context_of;
use crate::layers::{check_required, required};
use crate::plugins::System;
use crate::recording::Tape;
use crate::report::{Report, ReportKind, Reports};
use crate::{Plugins, PluginsError};

/// How much longer the bus waits for a plugin than the plugin's own limits let it take: who enforces those must have
/// the time to say so.
const GRACE: Duration = Duration::from_secs(2);

/// The plugins that are enabled, in the order of the configuration, then by name, and what there is to say about others.
#[derive(Default)]
pub(crate) struct Searched {
    enabled: Vec<Examined>,
    reports: Vec<Report>,
    declarations: Option<Declarations>,
}

/// What all plugins share while they are started.
struct Starting<'a> {
    prepared: &'a Prepared,
    reports: Reports,
    tape: Option<Arc<Tape>>,
    bus: EventBus,
    registry: Arc<PluginRegistry>,
    policy: Arc<EventPolicy>,
    control: Arc<CapabilityControl>,
    states: Arc<LoaderStates>,
    around: Arc<Around>,
    declarations: Option<Declarations>,
    worktree: PathBuf,
    calls: Arc<ContextCalls>,
    /// Who is to get events, once all are there.
    subscribers: Vec<(Subscription, Arc<dyn Subscriber>)>,
    running: HashMap<PluginId, Arc<SandboxedPlugin>>,
    order: Vec<PluginId>,
    /// Plugins that only observe, so that they add nothing.
    observed: HashSet<PluginId>,
    /// Plugins of a repository that is not trusted.
    untrusted: Vec<PluginId>,
    is_trusted: bool,
}

pub(crate) async fn start(mut prepared: Prepared) -> Result<Plugins, PluginsError> {
    let redaction = Redaction::default();
    let reports = Reports::new(prepared.settings.on_report.take(), redaction.clone());
    let tape = prepared.settings.recorder.take();
    let record_place = tape.as_ref().and_then(|recorder| recorder.place()).map(Path::to_owned);
    let tape = tape.map(|recorder| Arc::new(Tape::new(recorder, redaction.clone(), reports.clone())));
    for notice in &prepared.config.notices {
        reports.push(Report::configuration(notice));
    }
    if !prepared.settings.without_plugins {
        check_required(&prepared.config, &prepared.placement()).await?;
    }
    let Searched { enabled, reports: found_out, declarations } = match prepared.search.take() {
        _ if prepared.settings.without_plugins => Searched::default(),
        Some(search) => search.await.map_err(|_| PluginsError::Loader(LoadError::Interrupted))??,
        None => search(prepared.loader.clone()).await?,
    };
    found_out.into_iter().for_each(|report| reports.push(report));

    let home = &prepared.surroundings.places.home;
    let audit = (!prepared.settings.leaves_no_traces).then(|| audit_log(home));
    let states = Arc::new(LoaderStates::new(prepared.loader.state().clone()));
    let state_store: Arc<dyn StateStore> = match prepared.settings.leaves_no_traces {
        true => Arc::new(InMemoryStates::default()),
        false => Arc::new(Shared(Arc::clone(&states))),
    };
    let reporter = Arc::new(BusReporter {
        reports: reports.clone(),
        audit: audit.clone(),
        redaction: redaction.clone(),
        tape: tape.clone(),
    });
    let registry = Arc::new(PluginRegistry::new(state_store, reporter.clone()));
    let policy = Arc::new(EventPolicy::default());
    let bus = EventBus::new(policy.clone(), Arc::clone(&registry), reporter);
    let control = Arc::new(CapabilityControl::new(prepared.surroundings.places.project.clone()));
    let folders = enabled.iter().map(|enabled| enabled.found.dir.as_path());
    close_places(&control, &prepared.surroundings, folders, prepared.files.as_ref());
    if let Some(place) = record_place {
        // What others asked is none of a plugin's business
        let place = prepared.surroundings.current_dir.join(place);
        control.close(&prepared.files.canonicalize(&place).unwrap_or(place), Closed::Mimir);
    }
    let traces = Traces { audit: audit.clone(), redaction: redaction.clone(), tape: tape.clone() };
    let calls = Arc::new(ContextCalls::new(&prepared, &control, &bus, &registry, &reports, traces)?);
    let options = SandboxOptions {
        placement: prepared.placement(),
        required: required(&prepared.config),
        ..SandboxOptions::default()
    };
    let code_caches = Arc::new(CompiledCode(prepared.loader.cache().clone()));
    let sandbox = Arc::new(PluginSandbox::new(options, calls.clone(), Some(code_caches)));
    let around = Arc::new(Around {
        sandbox: Arc::downgrade(&sandbox),
        loader: prepared.loader.clone(),
        registry: Arc::clone(&registry),
        reports: reports.clone(),
        audit: audit.clone(),
        tape: tape.clone(),
    });

    let mut starting = Starting {
        prepared: &prepared,
        reports,
        tape,
        bus,
        registry,
        policy,
        control,
        states,
        around,
        declarations,
        worktree: prepared.surroundings.worktree(prepared.files.as_ref()),
        calls,
        subscribers: Vec::new(),
        running: HashMap::new(),
        order: Vec::new(),
        observed: HashSet::new(),
        untrusted: Vec::new(),
        // A list that can't be read has been told by whoever looked for plugins
        is_trusted: prepared.surroundings.is_trusted().unwrap_or(false),
    };
    for Examined { found, loaded } in enabled {
        let left_out = prepared.config.left_out_of(&found.id, &found.decision, found.needs_trust);
        left_out.iter().for_each(|notice| starting.reports.push(Report::configuration(notice)));
        match loaded {
            Ok(plugin) => starting.add(&found, Arc::new(plugin)).await?,
            Err(error) => starting.failed(&found, &error).await?,
        }
    }
    starting.add_hooks(audit.clone()).await?;
    starting.bus.subscribe_all(std::mem::take(&mut starting.subscribers));
    if !starting.untrusted.is_empty() {
        starting.reports.push(Report::untrusted(&prepared.surroundings.places.project, &starting.untrusted));
    }
    if let Some(audit) = &audit {
        for report in starting.reports.all().into_iter().filter(|report| report.kind == ReportKind::NotLoaded) {
            let plugin = report.plugin.map(|plugin| plugin.to_string());
            audit.record(AuditRecord {
                plugin,
                kind: "refused".to_owned(),
                detail: json!({ "reason": report.message }),
            });
        }
    }
    let Starting { reports, tape, bus, registry, control, calls, running, order, observed, .. } = starting;
    let Prepared { loader, config, .. } = prepared;
    Ok(Plugins(Arc::new(System {
        bus,
        registry,
        sandbox,
        control,
        calls,
        running,
        order,
        observed,
        loader,
        config,
        reports,
        audit,
        tape,
        redaction,
        tokens: Tokens::default(),
    })))
}

/// The audit log in Mimir's folder.
pub(crate) fn audit_log(home: &Path) -> Arc<dyn AuditLog> {
    Arc::new(FileAuditLog::new(AuditFolder::in_home(home), Arc::new(SystemClock)))
}

/// Finds the plugins and loads those that are enabled.
pub(crate) async fn search(loader: PluginLoader) -> Result<Searched, PluginsError> {
    let Discovery { found, problems } = loader.discover_known().await.map_err(PluginsError::Loader)?;
    let mut reports = Vec::new();
    for problem in &problems {
        // Whoever names a folder for this run alone wants its plugins, and not a run without them
        if let LoadError::NoPluginHere { dir } = &**problem {
            return Err(PluginsError::Loader(LoadError::NoPluginHere { dir: dir.clone() }));
        }
        reports.push(Report::not_loaded(None, problem));
    }
    let mut wanted = Vec::new();
    for found in found.into_iter().filter(Found::is_enabled) {
        if is_taken(&found.id) {
            reports.push(Report::off(&found.id, format!("does not run: {TAKEN}"), "give it another name".to_owned()));
        } else {
            wanted.push(found);
        }
    }
    let mut enabled = loader.load_all(wanted).await.map_err(PluginsError::Loader)?;
    enabled.sort_by_cached_key(|Examined { found, .. }| (found.position.unwrap_or(usize::MAX), found.id.clone()));
    let declarations = Some(loader.declarations().await.map_err(PluginsError::Loader)?);
    Ok(Searched { enabled, reports, declarations })
}

impl Starting<'_> {
    /// Lets a plugin run, or says why not.
    async fn add(&mut self, found: &Found, plugin: Arc<LoadedPlugin>) -> Result<(), PluginsError> {
        if matches!(plugin.grant, GrantState::RepositoryUntrusted { .. }) {
            self.untrusted.push(plugin.id.clone());
            return Ok(());
        }
        let grant = match self.grant(&plugin) {
            Ok(grant) => grant,
            Err(report) => {
                let reason = report.message.clone();
                self.reports.push(report);
                // Whoever was granted something guards something: it does not stop doing so by asking for more.
                let was_granted = matches!(&plugin.grant, GrantState::NeedsGrant { granted_before: Some(_), .. });
                if was_granted || matches!(found.decision, Decision::Required(_)) {
                    self.hold(found, &plugin.manifest, reason).await?;
                }
                return Ok(());
            }
        };
        let rules = self.rules(found);
        let quarantine_after = rules.quarantine_after;
        let effective = effective(&plugin.manifest.capabilities, &grant.capabilities, rules.capabilities.as_ref());
        let limits = rules.limits_of(&plugin.manifest, &grant.limits);
        let equipment = self.equipment(&plugin, &effective, limits.clone());
        let id = plugin.id.clone();

        self.states.identify(id.clone(), plugin.identity.clone());
        let version = plugin.manifest.version.clone();
        let registration = Registration { name: id.clone(), version, state: PluginState::Active, quarantine_after };
        let state = self.registry.register(registration).await.map_err(PluginsError::Registry)?;
        if let PluginState::Quarantined { reason } = state {
            self.reports.push(Report::quarantined(&id, &reason));
        }
        self.policy.set_approval(id.clone(), effective.permissions.approve);
        self.control.set(id.clone(), effective);
        self.calls.admit(id.clone(), plugin.identity.clone());
        if self.mode(found) == PluginMode::Observe {
            self.calls.observe(id.clone());
            self.observed.insert(id.clone());
        }
        let mut subscription = self.subscription(found, &plugin.manifest);
        subscription.deadline = limits.event + limits.init + GRACE;
        // In a replay its calls at the start are answered by the recording, so that what it adds is the recording's
        let is_live = matches!(self.prepared.settings.effects, Effects::Live);
        let declarations = self.declarations.clone().filter(|_| is_live);
        let declared = declarations.map(|kept| Declared::new(kept, &plugin, &equipment));
        let running = Arc::new(SandboxedPlugin::new(plugin, equipment, declared, Arc::clone(&self.around)));
        self.subscribers.push((subscription, running.clone()));
        self.order.push(id.clone());
        self.running.insert(id, running);
        Ok(())
    }

    /// Lets the commands under `hooks.PreCompact` run, which they did before there were plugins: without any plugin, too.
    /// A replay runs nothing: the recording says what became of them.
    async fn add_hooks(&mut self, audit: Option<Arc<dyn AuditLog>>) -> Result<(), PluginsError> {
        let Prepared { config, surroundings, settings, .. } = self.prepared;
        let recording = match &settings.effects {
            Effects::Live => None,
            Effects::Recorded(recording) => Some(Arc::clone(recording)),
        };
        let place = precompact_hooks::Place {
            processes: Arc::new(HostProcesses::new([]).with_trampoline(self.prepared.trampoline())),
            environment: surroundings.environment.clone(),
            project: surroundings.places.project.clone(),
            reports: self.reports.clone(),
            audit,
            tape: self.tape.clone(),
            recording,
        };
        let Some(hooks) = PreCompactHooks::new(config, place) else { return Ok(()) };
        let subscription = hooks.subscription(&self.order, GRACE);
        self.registry
            .register(Registration {
                name: subscription.name.clone(),
                version: env!("CARGO_PKG_VERSION").to_owned(),
                state: PluginState::Active,
                // What fails is a command of the user's, of which the others know nothing
                quarantine_after: u32::MAX,
            })
            .await
            .map_err(PluginsError::Registry)?;
        self.subscribers.push((subscription, Arc::new(hooks)));
        Ok(())
    }

    /// What the plugin was granted, or why it does not run.
    fn grant(&self, plugin: &LoadedPlugin) -> Result<Grant, Report> {
        let id = &plugin.id;
        match &plugin.grant {
            GrantState::Granted { grant, .. } => Ok(grant.clone()),
            GrantState::NeedsGrant { .. } if self.prepared.settings.grants_for_this_run => {
                let now = SystemClock.now_ms();
                Ok(Grant::of_everything(plugin.identity.clone(), &plugin.manifest, now, GrantMode::Run))
            }
            state => {
                let message = format!("does not run, since {}", state.reason().unwrap_or_default());
                let hint = format!("`mimir plugin grant {id}`; in a replay `--yes` does it for that run alone");
                Err(Report::off(id, message, hint))
            }
        }
    }

    /// Reports a plugin that could not be loaded.
    async fn failed(&mut self, found: &Found, error: &LoadError) -> Result<(), PluginsError> {
        self.reports.push(Report::not_loaded(Some(&found.id), error));
        match &found.manifest {
            Ok(_) if self.is_nobodys(found) => Ok(()),
            Ok(manifest) => self.hold(found, manifest, error.to_string()).await,
            Err(_) => Ok(()),
        }
    }

    /// Whether it would not run if it could be loaded either, so that it does not block anything now.
    fn is_nobodys(&self, found: &Found) -> bool {
        let is_required = matches!(found.decision, Decision::Required(_));
        found.needs_trust && !self.is_trusted && !is_required && Guard::TrustRepository.stands()
    }

    /// Keeps the place of a plugin that does not run: one whose `failure` is `closed` goes on blocking.
    async fn hold(&mut self, found: &Found, manifest: &PluginManifest, reason: String) -> Result<(), PluginsError> {
        let state = PluginState::Failed { reason: reason.clone() };
        let (version, quarantine_after) = (manifest.version.clone(), self.rules(found).quarantine_after);
        let registration = Registration { name: found.id.clone(), version, state, quarantine_after };
        self.registry.register(registration).await.map_err(PluginsError::Registry)?;
        let never_asked = subscriber_fn(move |_| {
            let failure = Failure::new(FailureKind::Unavailable, reason.clone());
            async move { Err(failure) }
        });
        self.subscribers.push((self.subscription(found, manifest), never_asked));
        Ok(())
    }

    fn subscription(&self, found: &Found, manifest: &PluginManifest) -> Subscription {
        let mut events: Vec<_> = manifest.events.iter().map(|selector| selector.name).collect();
        events.sort_unstable();
        events.dedup();
        let mut subscription = Subscription::plugin(found.id.clone(), events);
        subscription.failure = FailureKey::from(self.rules(found).failure_of(manifest));
        subscription.observes = self.mode(found) == PluginMode::Observe;
        subscription.rank = Rank {
            required: matches!(found.decision, Decision::Required(_)),
            listed: found.position,
            before: manifest.before.clone(),
            after: manifest.after.clone(),
        };
        subscription
    }

    /// What counts for a plugin, beside what it asks for and was granted.
    fn rules(&self, found: &Found) -> &Rules {
        let is_repositorys = found.needs_trust || !Guard::TrustConfiguration.stands();
        self.prepared.config.rules_for(&found.decision, is_repositorys)
    }

    fn mode(&self, found: &Found) -> PluginMode {
        let is_repositorys = found.needs_trust || !Guard::TrustMode.stands();
        self.prepared.config.mode_of(&found.id, &found.decision, is_repositorys)
    }

    fn equipment(&self, plugin: &LoadedPlugin, effective: &Capabilities, limits: Limits) -> Equipment {
        Equipment {
            context: context_of(self.prepared, &self.worktree, plugin, effective).into(),
            limits,
            wasm: effective.wasm,
            group: effective.canonical().into(),
        }
    }
}
