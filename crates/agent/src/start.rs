//! The order in which the parts come into being: each needs some of those before it, and what needs a later one gets it late.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use mimir_chat::{
    Chat, ChatPorts, Screen, Shown, SqliteSessions, StoredSessions, TokioSleeper, WeakChat, builtin_commands,
};
use mimir_plugins::{FileRecorder, LlmProvider};
use mimir_shared_config::{Config, KeySource, SCRIPTED_MODEL};
use mimir_shared_platform::{
    Clock, DockerEngine, FileSystem, HostProcesses, HttpClient, Notifier, OsFileSystem, ReqwestClient, SystemClock,
};
use mimir_shared_providers::{Credentials, PriceTable, Transport};
use mimir_tools::{
    BuiltinPorts, BuiltinSettings, CommandCatalog, Conflict, Containers, CustomFolder, CustomRunners, Dispatcher,
    LoadProblem, PluginHost, ProjectSearch, Role, SandboxIsolates, builtin_tools, load_custom_tools, plugin_tools,
    task_tool,
};

use crate::adapters::catalog::DispatchedCatalog;
use crate::adapters::commands::CatalogCommands;
use crate::adapters::credentials::PluginCredentials;
use crate::adapters::deeds::Deeds;
use crate::adapters::late::Late;
use crate::adapters::models::ConfiguredModels;
use crate::adapters::notices::ScreenNotices;
use crate::adapters::permissions::AskedPermissions;
use crate::adapters::sub_agents::ChatAgents;
use crate::adapters::toolbox::DispatchedTools;
use crate::adapters::transport::HttpTransport;
use crate::builder::{AgentBuilder, PreparedAgent};
use crate::error::in_one_line;
use crate::keys::Keys;
use crate::mcp::{self, McpWorld};
use crate::{Agent, AgentError, model, permit, settings};

pub(crate) fn prepare(settings: AgentBuilder) -> Result<PreparedAgent, AgentError> {
    let scenario = settings.scenario.as_deref().map(model::scenario).transpose()?;
    let prepared = settings.plugins.clone().prepare()?;
    Ok(PreparedAgent { settings, prepared, scenario })
}

pub(crate) async fn start(agent: PreparedAgent) -> Result<Agent, AgentError> {
    let PreparedAgent { settings: mut said, prepared, scenario } = agent;
    // Who names what the scripted model plays wants it to be played
    if said.model.is_none() && scenario.is_some() {
        said.model = Some(SCRIPTED_MODEL.to_owned());
    }
    // While the rest of the start opens what it needs
    let prepared = prepared.look_ahead();
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let (home, project) = (prepared.home().to_owned(), prepared.project().to_owned());
    let project_text = project.to_str().ok_or_else(|| AgentError::Folder { path: project.clone() })?.to_owned();
    let is_trusted = prepared.is_trusted()?;
    let config = prepared.config().clone();
    let model = said.model.clone().unwrap_or_else(|| config.model().to_owned());

    let environment = prepared.environment().to_vec();
    let variable = |name: &str| environment.iter().find(|(key, _)| key == name).map(|(_, value)| value.clone());
    let keys = Keys::new(&home, &variable);
    let client: Arc<dyn HttpClient> = Arc::new(ReqwestClient::new());
    let transport: Arc<dyn Transport> = Arc::new(HttpTransport::new(Arc::clone(&client)));
    let tokens = Arc::new(PluginCredentials::new(&config));
    let credentials: Arc<dyn Credentials> = tokens.clone();
    let router = Arc::new(model::router(&config, &keys, scenario, &transport, &credentials)?);
    if said.model.is_some() || !said.resumes {
        model::check(&router, &config, &keys, &model)?;
    }
    let provider: Arc<dyn LlmProvider> = Arc::clone(&router) as _;

    let store = Arc::new(SqliteSessions::open(&home.join("sessions"), Arc::clone(&clock)).await?);
    let catalog = Arc::new(DispatchedCatalog::default());
    let mut prepared = prepared
        .llm(Arc::clone(&provider))
        .sessions(Arc::new(StoredSessions::new(store.clone())))
        .tools(catalog.clone());
    if let Some(file) = &said.record {
        let recorder = FileRecorder::create(file)
            .map_err(|error| AgentError::Record { path: file.clone(), source: error.into() })?;
        prepared = prepared.record(Arc::new(recorder));
    }
    let trampoline = prepared.trampoline();
    let plugins = prepared.start().await?;
    tokens.plugins.set(plugins.clone());
    let hooks = plugins.hooks();

    let notices: Arc<dyn Notifier> = Arc::new(ScreenNotices(Arc::clone(&said.screen)));
    let user = variable("HOME").map(PathBuf::from);
    let permissions = permit::permissions(&said, &config, &home, &project, user.as_deref(), &hooks, &clock);
    let permissions = Arc::new(AskedPermissions(Arc::new(permissions)));
    let dispatcher = Dispatcher::new(hooks.clone(), permissions, Arc::clone(&clock));
    let dispatcher = Arc::new(dispatcher.without(config.tools.disabled.clone()));
    catalog.dispatcher.set(Arc::clone(&dispatcher));

    let late_chat = Arc::<Late<WeakChat>>::default();
    let chat_settings = settings::chat(&config, &project_text, &model);
    let roles = chat_settings.roles.iter();
    let roles = roles.map(|role| Role { name: role.name.clone(), description: role.description.clone() }).collect();
    let hidden = hidden_variables(&config);
    let builtin = BuiltinSettings {
        root: project.clone(),
        home: user,
        own: vec![home.clone()],
        environment: environment.iter().map(|(name, value)| (name.into(), value.into())).collect(),
        hidden: hidden.clone(),
        bash_timeout_ms: config.tools.bash_timeout_ms,
    };
    let files: Arc<dyn FileSystem> = Arc::new(OsFileSystem);
    let reach = BuiltinPorts {
        files: Arc::clone(&files),
        shell: Arc::new(HostProcesses::from_env().with_trampoline(trampoline.clone())),
        search: Arc::new(ProjectSearch),
        hooks: hooks.clone(),
        clock: Arc::clone(&clock),
    };
    let mut tools = builtin_tools(&builtin, reach)?;
    tools.push(task_tool(Arc::new(ChatAgents { roles, chat: Arc::clone(&late_chat) })));
    let tell = Tell(&said.screen);
    settings::left_out(&config).iter().for_each(|role| tell.say(role));
    let host: Arc<dyn PluginHost> = Arc::new(plugins.clone());
    let runners = CustomRunners {
        docker: Arc::new(DockerEngine::new(variable("DOCKER_HOST").as_deref())),
        isolates: Arc::new(SandboxIsolates::new(plugins.clone())),
        notifier: Arc::clone(&notices),
        containers: Containers::default(),
    };
    let (custom, problems) = load_custom_tools(&OsFileSystem, &folders("tools", &home, &project, is_trusted), &runners);
    tell.problems(&problems);
    tools.extend(custom);
    tools.extend(plugin_tools(&host).await);
    tell.conflicts(&dispatcher.register(tools));

    let mut commands = CommandCatalog::new(builtin_commands().iter().map(|command| command.name.clone()));
    tell.problems(&commands.load(&OsFileSystem, &folders("commands", &home, &project, is_trusted)));
    let commands = commands.with_plugins(host);
    for conflict in commands.conflicts().await {
        tell.say(&conflict.to_string());
    }

    let mcp = mcp::start(McpWorld {
        config: &config,
        keys: &keys,
        project: &project,
        home: &home,
        environment: &environment,
        hidden: &hidden,
        client,
        notices,
        trampoline,
    })?;
    let mcp_task = mcp.clone().map(|servers| {
        let (dispatcher, screen) = (Arc::clone(&dispatcher), Arc::clone(&said.screen));
        tokio::spawn(async move {
            let on_conflict = |conflict: Conflict| Tell(&screen).say(&conflict.to_string());
            servers.keep_in(&dispatcher, on_conflict).await;
        })
    });

    let deeds = Arc::<Deeds>::default();
    let ports = ChatPorts {
        store: store.clone(),
        provider,
        models: Arc::new(ConfiguredModels { router, config, environment, home }),
        prices: Arc::new(PriceTable::builtin().clone()),
        toolbox: Arc::new(DispatchedTools {
            dispatcher: Arc::clone(&dispatcher),
            deeds: Arc::clone(&deeds),
            chat: Arc::clone(&late_chat),
        }),
        commands: Arc::new(CatalogCommands::new(commands, plugins.clone(), deeds)),
        screen: said.screen,
        hooks,
        clock: Arc::clone(&clock),
        sleeper: Arc::new(TokioSleeper),
    };
    let chat = Chat::new(ports, chat_settings);
    late_chat.set(chat.downgrade());
    Ok(Agent { plugins, chat, clock, mcp, mcp_task, model_said: said.model })
}

/// Where people put files of a kind, the most trusted folder first.
fn folders(kind: &str, home: &Path, project: &Path, is_trusted: bool) -> Vec<CustomFolder> {
    let mut folders = vec![CustomFolder::of_user(home.join(kind), format!("~/.mimir/{kind}"))];
    let repositorys = project.join(".mimir").join(kind);
    // In the user's home the two are one
    if repositorys != folders[0].path {
        folders.push(CustomFolder::of_repository(repositorys, format!(".mimir/{kind}"), is_trusted));
    }
    folders
}

/// Variables that hold keys of providers, which no program of the agent's has a use for.
fn hidden_variables(config: &Config) -> Vec<String> {
    let providers = config.provider_names().into_iter().filter_map(|name| config.provider(name)?.key);
    let variables = providers.filter_map(|key| match key {
        KeySource::Variable(name) => Some(name),
        KeySource::Secret(_) => None,
    });
    variables.collect()
}

/// Says what is wrong with what people wrote.
struct Tell<'a>(&'a Arc<dyn Screen>);

impl Tell<'_> {
    fn say(&self, text: &str) {
        self.0.show(Shown::Notice { text });
    }

    fn problems(&self, problems: &[LoadProblem]) {
        problems.iter().for_each(|problem| self.say(&in_one_line(problem)));
    }

    fn conflicts(&self, conflicts: &[Conflict]) {
        conflicts.iter().for_each(|conflict| self.say(&conflict.to_string()));
    }
}
