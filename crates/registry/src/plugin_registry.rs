use std::sync::Arc;

use indexmap::IndexMap;
use mimir_shared_config::PluginId;
use parking_lot::{Mutex, RwLock};
use serde::Serialize;

use crate::{Failure, Notice, RegistryError, Reporter, StateStore, StateStoreError, StoredQuarantine};

/// What is loaded, and in which state. Quarantines outlive the process through a [`StateStore`]; everything else is
/// this run's. Shared between threads behind an `Arc`.
pub struct PluginRegistry {
    plugins: RwLock<IndexMap<PluginId, Arc<Mutex<PluginRecord>>>>,
    states: Arc<dyn StateStore>,
    reporter: Arc<dyn Reporter>,
}

/// A plugin that is to be registered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Registration {
    /// Its name.
    pub name: PluginId,
    /// Its version.
    pub version: String,
    /// `Active`, `Disabled` or `Failed`, as loading it came out. An active plugin that is in quarantine is registered
    /// as such.
    pub state: PluginState,
    /// How many failures in a row put it into quarantine.
    pub quarantine_after: u32,
}

/// What the registry knows of a plugin.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct PluginRecord {
    /// Its name.
    pub name: PluginId,
    /// Its version.
    pub version: String,
    /// Its state.
    #[serde(flatten)]
    pub state: PluginState,
    /// How many failures in a row put it into quarantine.
    #[serde(skip)]
    pub quarantine_after: u32,
    /// How often it failed since it last answered.
    pub failures_in_row: u32,
    /// How often it failed while nobody waited for an answer.
    pub failures_alone: u32,
    /// The last failure since it was registered.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_failure: Option<Failure>,
}

/// The state of a plugin.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "state", rename_all = "lowercase")]
pub enum PluginState {
    /// It gets its events.
    Active,
    /// Switched off by the configuration: it gets nothing and blocks nothing.
    Disabled,
    /// It could not be loaded.
    Failed {
        /// Why, for people.
        reason: String,
    },
    /// It failed too often and gets nothing until re-enabled.
    Quarantined {
        /// Why, for people.
        reason: String,
    },
}

/// What the bus must know before it asks a subscriber.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Standing {
    /// Ask it.
    Active,
    /// Pass it over.
    Off,
    /// Do not ask it; if its failures block, block for this reason.
    Held(String),
}

impl PluginRegistry {
    /// An empty registry.
    pub fn new(states: Arc<dyn StateStore>, reporter: Arc<dyn Reporter>) -> Self {
        Self { plugins: RwLock::default(), states, reporter }
    }

    /// Adds a plugin and tells its state: a quarantine from an earlier run goes on.
    ///
    /// # Errors
    /// [`RegistryError::AlreadyLoaded`]. A quarantine that cannot be read is reported as a notice, and the plugin works.
    pub async fn register(&self, plugin: Registration) -> Result<PluginState, RegistryError> {
        let Registration { name, version, mut state, quarantine_after } = plugin;
        if self.plugins.read().contains_key(&name) {
            return Err(RegistryError::AlreadyLoaded(name));
        }
        if state == PluginState::Active {
            match self.states.quarantine(&name).await {
                Ok(Some(StoredQuarantine { reason })) => state = PluginState::Quarantined { reason },
                Ok(None) => {}
                Err(error) => self.report_state_error(&error),
            }
        }
        let mut plugins = self.plugins.write();
        if plugins.contains_key(&name) {
            return Err(RegistryError::AlreadyLoaded(name));
        }
        let record = PluginRecord {
            name: name.clone(),
            version,
            state: state.clone(),
            quarantine_after,
            failures_in_row: 0,
            failures_alone: 0,
            last_failure: None,
        };
        plugins.insert(name, Arc::new(Mutex::new(record)));
        Ok(state)
    }

    /// Removes a plugin and gives what was known of it. A quarantine stays in the store.
    pub fn unregister(&self, plugin: &PluginId) -> Option<PluginRecord> {
        self.plugins.write().shift_remove(plugin).map(|record| record.lock().clone())
    }

    /// What is known of `plugin`.
    pub fn get(&self, plugin: &PluginId) -> Option<PluginRecord> {
        self.find(plugin).map(|record| record.lock().clone())
    }

    /// What is loaded, in the order of registration.
    pub fn list(&self) -> Vec<PluginRecord> {
        self.plugins.read().values().map(|record| record.lock().clone()).collect()
    }

    /// Makes a plugin active and forgets its failures, in the store as well: the way out of quarantine.
    ///
    /// # Errors
    /// [`RegistryError::NotLoaded`], and [`RegistryError::State`] if the store fails; the plugin is active in this run
    /// even then.
    pub async fn enable(&self, plugin: &PluginId) -> Result<(), RegistryError> {
        self.set_state(plugin, PluginState::Active)?;
        Ok(self.states.set_quarantine(plugin, None).await?)
    }

    /// Switches a plugin off for this run. That ends no quarantine.
    ///
    /// # Errors
    /// [`RegistryError::NotLoaded`].
    pub fn disable(&self, plugin: &PluginId) -> Result<(), RegistryError> {
        self.set_state(plugin, PluginState::Disabled)
    }

    /// Notes that a plugin could not be loaded after all, because of `reason`.
    ///
    /// # Errors
    /// [`RegistryError::NotLoaded`].
    pub fn mark_failed(&self, plugin: &PluginId, reason: impl Into<String>) -> Result<(), RegistryError> {
        self.set_state(plugin, PluginState::Failed { reason: reason.into() })
    }

    /// Puts a plugin into quarantine because of `reason`, and reports it. Nothing happens if it is not active.
    ///
    /// # Errors
    /// [`RegistryError::NotLoaded`], and [`RegistryError::State`] if the store fails; the plugin is in quarantine in
    /// this run even then.
    pub async fn quarantine(&self, plugin: &PluginId, reason: impl Into<String>) -> Result<(), RegistryError> {
        let record = self.find(plugin).ok_or_else(|| RegistryError::NotLoaded(plugin.clone()))?;
        let reason = reason.into();
        {
            let mut record = record.lock();
            if record.state != PluginState::Active {
                return Ok(());
            }
            record.state = PluginState::Quarantined { reason: reason.clone() };
        }
        self.reporter.notice(&Notice::Quarantined { plugin: plugin.clone(), reason: reason.clone() });
        Ok(self.states.set_quarantine(plugin, Some(&StoredQuarantine { reason })).await?)
    }

    /// Notes that a plugin answered: its failures are no longer in a row.
    pub fn record_success(&self, plugin: &PluginId) {
        if let Some(record) = self.find(plugin) {
            record.lock().failures_in_row = 0;
        }
    }

    /// Counts a failure, if it is of a kind that counts, and puts the plugin into quarantine when there are too many in a
    /// row, or at the first that took others down. What is not registered (Rust code) is never in quarantine.
    pub async fn record_failure(&self, plugin: &PluginId, failure: &Failure) {
        self.count(plugin, failure, |record| &mut record.failures_in_row, "failures in a row").await;
    }

    /// Reports a failure that no event waited for, in a timer or after the answer, and counts it. No answer makes up for
    /// it: the handler that answers is not what failed. Too many of them in one run put the plugin into quarantine.
    pub async fn record_failure_alone(&self, plugin: &PluginId, failure: &Failure) {
        self.reporter.notice(&Notice::FailedAlone { plugin: plugin.clone(), failure: failure.clone() });
        self.count(plugin, failure, |record| &mut record.failures_alone, "failures outside of any event").await;
    }

    async fn count(
        &self,
        plugin: &PluginId,
        failure: &Failure,
        counter: fn(&mut PluginRecord) -> &mut u32,
        counted: &str,
    ) {
        let Some(record) = self.find(plugin) else { return };
        let (failures, most) = {
            let mut record = record.lock();
            record.last_failure = Some(failure.clone());
            if !failure.kind.counts() {
                return;
            }
            let failures = counter(&mut record);
            *failures += 1;
            (*failures, record.quarantine_after)
        };
        let is_enough_alone = failure.kind.quarantines_at_once() || most <= 1;
        if !is_enough_alone && failures < most {
            return;
        }
        let reason = match is_enough_alone {
            true => failure.message.clone(),
            false => format!("{failures} {counted}, the last: {failure}"),
        };
        if let Err(RegistryError::State(error)) = self.quarantine(plugin, reason).await {
            self.report_state_error(&error);
        }
    }

    pub(crate) fn standing(&self, plugin: &PluginId) -> Standing {
        let Some(record) = self.find(plugin) else { return Standing::Active };
        match &record.lock().state {
            PluginState::Active => Standing::Active,
            PluginState::Disabled => Standing::Off,
            PluginState::Failed { reason } => Standing::Held(format!(
                "plugin `{plugin}` could not be loaded and its `failure` is `closed`, so what it was to check is \
                 blocked; repair it, or switch it off with `mimir plugin disable {plugin}` (why it was not loaded: \
                 {reason})"
            )),
            PluginState::Quarantined { reason } => Standing::Held(format!(
                "plugin `{plugin}` is in quarantine and its `failure` is `closed`, so what it was to check is blocked; \
                 `mimir plugin enable {plugin}` puts it back to work (why it is in quarantine: {reason})"
            )),
        }
    }

    fn find(&self, plugin: &PluginId) -> Option<Arc<Mutex<PluginRecord>>> {
        self.plugins.read().get(plugin).cloned()
    }

    fn set_state(&self, plugin: &PluginId, state: PluginState) -> Result<(), RegistryError> {
        let record = self.find(plugin).ok_or_else(|| RegistryError::NotLoaded(plugin.clone()))?;
        let mut record = record.lock();
        record.state = state;
        (record.failures_in_row, record.failures_alone) = (0, 0);
        Ok(())
    }

    fn report_state_error(&self, error: &StateStoreError) {
        let message = format!("{error}: {}", error.source);
        self.reporter.notice(&Notice::State { plugin: error.plugin.clone(), message });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::FailureKind;
    use crate::ports::{MockReporter, MockStateStore};
    use crate::testing::id;

    fn broken(action: &'static str) -> StateStoreError {
        StateStoreError { plugin: id("a"), action, source: "disk full".into() }
    }

    fn active() -> Registration {
        Registration { name: id("a"), version: "1.0.0".to_owned(), state: PluginState::Active, quarantine_after: 3 }
    }

    /// A registry over this store that must report exactly these notices.
    fn registry(states: MockStateStore, notices: &'static [&'static str]) -> PluginRegistry {
        let mut reporter = MockReporter::new();
        let mut expected = notices.iter();
        reporter.expect_notice().times(notices.len()).returning(move |notice| {
            assert_eq!(Some(&notice.to_string().as_str()), expected.next());
        });
        PluginRegistry::new(Arc::new(states), Arc::new(reporter))
    }

    #[tokio::test]
    async fn a_state_that_cannot_be_read_is_told_and_the_plugin_works() {
        let mut states = MockStateStore::new();
        states.expect_quarantine().once().returning(|_| Err(broken("read")));
        let registry = registry(states, &["the state of plugin `a` could not be read: disk full"]);
        assert_eq!(registry.register(active()).await.ok(), Some(PluginState::Active));
    }

    #[tokio::test]
    async fn a_quarantine_is_written_once_and_counts_even_if_that_fails() {
        let mut states = MockStateStore::new();
        states.expect_quarantine().returning(|_| Ok(None));
        states.expect_set_quarantine().once().returning(|_, quarantine| {
            assert_eq!(quarantine.map(|stored| stored.reason.as_str()), Some("3 failures in a row, the last: slow"));
            Err(broken("written"))
        });
        let registry = registry(
            states,
            &[
                "plugin `a` is in quarantine (3 failures in a row, the last: slow); `mimir plugin enable a` puts it back to \
             work",
                "the state of plugin `a` could not be written: disk full",
            ],
        );
        registry.register(active()).await.unwrap_or(PluginState::Disabled);
        for _ in 0..5 {
            registry.record_failure(&id("a"), &Failure::new(FailureKind::Time, "slow")).await;
        }
        assert!(matches!(registry.standing(&id("a")), Standing::Held(_)));
    }

    #[tokio::test]
    async fn a_plugin_that_is_not_active_is_registered_without_a_look_at_the_store() {
        let registry = registry(MockStateStore::new(), &[]);
        let disabled = Registration { state: PluginState::Disabled, ..active() };
        assert_eq!(registry.register(disabled).await.ok(), Some(PluginState::Disabled));
        assert_eq!(registry.standing(&id("a")), Standing::Off);
        assert_eq!(registry.standing(&id("rust-code")), Standing::Active);
    }
}
