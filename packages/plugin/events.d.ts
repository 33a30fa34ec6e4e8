// Generated from Mimir's event types. Do not edit.

/** Any JSON value. What a tool takes and gives is the tool's business, so it is not checked here. */
export type Json = any;

/** An agent is done with its task. */
export interface AgentCompleted {
  /** When it happened, in milliseconds since 1970. */
  timestamp: number;
  /** The session that it belongs to. */
  sessionId: string;
  /** The agent. */
  agent: AgentInfo;
  /** What it gave. */
  result?: Json;
}

/** An agent was created. */
export interface AgentCreated {
  /** When it happened, in milliseconds since 1970. */
  timestamp: number;
  /** The session that it belongs to. */
  sessionId: string;
  /** The agent. */
  agent: AgentInfo;
}

/** An agent has given up its task. */
export interface AgentFailed {
  /** When it happened, in milliseconds since 1970. */
  timestamp: number;
  /** The session that it belongs to. */
  sessionId: string;
  /** The agent. */
  agent: AgentInfo;
  /** Why. */
  error?: ErrorInfo;
}

/** An agent as events carry it. */
export interface AgentInfo {
  /** Its id. */
  id: string;
  /** What it is for, such as `reviewer`. */
  role: string;
  /** The model that it talks to. */
  model: string;
  /** The agent that created it; none for the main one. */
  parentId?: string;
  /** What it is to do. */
  task: string;
}

/** An agent has begun its task. */
export interface AgentStarted {
  /** When it happened, in milliseconds since 1970. */
  timestamp: number;
  /** The session that it belongs to. */
  sessionId: string;
  /** The agent. */
  agent: AgentInfo;
}

/** The session has cost more than its budget. */
export interface BudgetExceeded {
  /** When it happened, in milliseconds since 1970. */
  timestamp: number;
  /** The session that it belongs to. */
  sessionId: string;
  /** The budget, in US dollars. */
  limit: number;
  /** What the session has cost so far, in US dollars. */
  totalCost: number;
}

/** An answer to `budget.exceeded`. */
export interface BudgetExceededAnswer {
  /** Whether the agent must stop. */
  stop?: boolean;
  /** Why. */
  reason?: string;
}

/** The conversation is about to be sent to a model. */
export interface ChatMessage {
  /** When it happened, in milliseconds since 1970. */
  timestamp: number;
  /** The session that it belongs to. */
  sessionId: string;
  /** What will be sent. */
  messages: Message[];
  /** The model. */
  model: string;
  /** The agent that sends it, if it is not the main one. */
  agentId?: string;
}

/** An answer to `chat.message`. */
export interface ChatMessageAnswer {
  /** What to send instead: all messages. */
  messages?: Message[];
  /** Whether nothing must be sent. */
  block?: boolean;
  /** Why, for the user and the agent. */
  reason?: string;
}

/** A command of the `mimir` program has run. */
export interface CommandExecuted {
  /** When it happened, in milliseconds since 1970. */
  timestamp: number;
  /** The session that it belongs to. */
  sessionId: string;
  /** The command, such as `plugin list`. */
  command: string;
  /** Its arguments. */
  args: string[];
  /** Its exit code. */
  exitCode: number;
}

/** What started a compaction. */
export type CompactionTrigger = 'auto' | 'manual';

/** What a `Message` says: plain text, or parts in their order. */
export type Content = string | Part[];

/** A call of a model was paid for. */
export interface CostUpdated {
  /** When it happened, in milliseconds since 1970. */
  timestamp: number;
  /** The session that it belongs to. */
  sessionId: string;
  /** Input tokens of the call. */
  inputTokens: number;
  /** Output tokens of the call. */
  outputTokens: number;
  /** What the call cost, in US dollars. */
  cost: number;
  /** What the session has cost so far, in US dollars. */
  totalCost: number;
  /** The model. */
  model: string;
}

/** An error as events carry it. */
export interface ErrorInfo {
  /** What went wrong. */
  message: string;
  /** The kind of error, such as `TimeoutError`. */
  name?: string;
  /** A code for programs. */
  code?: string;
}

/** A file was deleted. */
export interface FileDeleted {
  /** When it happened, in milliseconds since 1970. */
  timestamp: number;
  /** The session that it belongs to. */
  sessionId: string;
  /** Its path. */
  path: string;
  /** The tool that deleted it. */
  tool?: string;
  /** Its size before, in bytes. */
  bytes?: number;
}

/** A file was written. */
export interface FileModified {
  /** When it happened, in milliseconds since 1970. */
  timestamp: number;
  /** The session that it belongs to. */
  sessionId: string;
  /** Its path. */
  path: string;
  /** The tool that wrote it. */
  tool?: string;
  /** Its size now, in bytes. */
  bytes?: number;
}

/** Why the agent has nothing to do. */
export type IdleReason = 'completed' | 'waiting' | 'exit';

/** The parts that this version understands. */
export type KnownPart = {
  type: 'text';
  /** The text. */
  text: string;
} | {
  type: 'toolCall';
  /** Names the call; its result bears the same. */
  id: string;
  /** The tool. */
  name: string;
  /** Its arguments. */
  args?: Json;
} | {
  type: 'toolResult';
  /** The call that it answers. */
  callId: string;
  /** What the tool gave, or why it failed. */
  result?: Json;
  /** Whether the tool failed. */
  isError?: boolean;
};

/**
 * One message of a conversation. Fields that this version does not know are kept, so that a message which passes
 * through Mimir (or through a plugin) comes out as it went in.
 */
export interface Message {
  /** Names the message within its session. */
  id?: string;
  /** Who speaks. */
  role: Role;
  /** What is said. */
  content?: Content;
  /** When it was written, in milliseconds since 1970. */
  timestamp?: number;
}

/** A message was added to the conversation. */
export interface MessageAdded {
  /** When it happened, in milliseconds since 1970. */
  timestamp: number;
  /** The session that it belongs to. */
  sessionId: string;
  /** The message. */
  message: Message;
}

/** A message was removed from the conversation. */
export interface MessageRemoved {
  /** When it happened, in milliseconds since 1970. */
  timestamp: number;
  /** The session that it belongs to. */
  sessionId: string;
  /** The message as it was. */
  message: Message;
}

/** A message of the conversation was changed. */
export interface MessageUpdated {
  /** When it happened, in milliseconds since 1970. */
  timestamp: number;
  /** The session that it belongs to. */
  sessionId: string;
  /** The message as it is now. */
  message: Message;
}

/** One part of a message. */
export type Part = KnownPart | Record<string, Json>;

/** Something needs a permission that no rule gives or refuses. */
export interface PermissionAsk {
  /** When it happened, in milliseconds since 1970. */
  timestamp: number;
  /** The session that it belongs to. */
  sessionId: string;
  /** The kind of action, such as `bash` or `write`. */
  type: string;
  /** What would be done: the command line, or the type and the path. */
  command: string;
  /** The file that it is about. */
  path?: string;
  /** The tool that asks. */
  tool?: string;
  /** How dangerous it is. */
  risk: Risk;
}

/** An answer to `permission.ask`. */
export interface PermissionAskAnswer {
  /** Whether the request is allowed. */
  allow: boolean;
  /** Why. */
  reason?: string;
}

/** A request for permission was answered. */
export interface PermissionReplied {
  /** When it happened, in milliseconds since 1970. */
  timestamp: number;
  /** The session that it belongs to. */
  sessionId: string;
  /** The request. */
  request: PermissionRequest;
  /** Whether it was allowed. */
  allowed: boolean;
  /** Who answered: `user`, `policy`, or a plugin's name. */
  by: string;
  /** Why. */
  reason?: string;
}

/** A request for permission, as `permission.replied` repeats it. */
export interface PermissionRequest {
  /** The kind of action. */
  type: string;
  /** What would be done: the command line, or the type and the path. */
  command: string;
  /** The file that it is about. */
  path?: string;
  /** The tool that asks. */
  tool?: string;
  /** How dangerous it is. */
  risk: Risk;
}

/** How dangerous an action is. */
export type Risk = 'low' | 'medium' | 'high' | 'critical';

/** Who speaks in a `Message`. */
export type Role = 'system' | 'user' | 'assistant' | 'tool' | (string & {});

/** The conversation was compacted. */
export interface SessionCompacted {
  /** When it happened, in milliseconds since 1970. */
  timestamp: number;
  /** The session that it belongs to. */
  sessionId: string;
  /** What started it. */
  trigger: CompactionTrigger;
  /** What is left of the conversation. */
  summary: string;
  /** Tokens before. */
  tokensBefore: number;
  /** Tokens after. */
  tokensAfter: number;
}

/** The conversation is about to be compacted. */
export interface SessionCompacting {
  /** When it happened, in milliseconds since 1970. */
  timestamp: number;
  /** The session that it belongs to. */
  sessionId: string;
  /** What started it. */
  trigger: CompactionTrigger;
  /** What the summary should heed. */
  instructions?: string;
  /** How many messages there are. */
  messageCount: number;
  /** How many tokens they have. */
  tokens: number;
  /** What plugins want to be kept, in their order. */
  context?: string[];
}

/** An answer to `session.compacting`. */
export interface SessionCompactingAnswer {
  /** What the summary must keep; added to what other plugins gave. */
  context?: string[];
  /** What the summary should heed, instead of the instructions so far. */
  instructions?: string;
  /** Whether the conversation must not be compacted. */
  cancel?: boolean;
  /** Why. */
  reason?: string;
}

/** A session has begun. */
export interface SessionCreated {
  /** When it happened, in milliseconds since 1970. */
  timestamp: number;
  /** The session that it belongs to. */
  sessionId: string;
  /** The session. */
  session: SessionInfo;
}

/** Something went wrong in the session. */
export interface SessionError {
  /** When it happened, in milliseconds since 1970. */
  timestamp: number;
  /** The session that it belongs to. */
  sessionId: string;
  /** What. */
  error: ErrorInfo;
}

/** The agent has nothing to do. */
export interface SessionIdle {
  /** When it happened, in milliseconds since 1970. */
  timestamp: number;
  /** The session that it belongs to. */
  sessionId: string;
  /** Why. */
  reason: IdleReason;
  /** The session. */
  session: SessionInfo;
}

/** A session as events carry it. */
export interface SessionInfo {
  /** Its id. */
  id: string;
  /** What it is about. */
  title?: string;
  /** The model that it talks to. */
  model?: string;
  /** When it began, in milliseconds since 1970. */
  createdAt?: number;
  /** What else is known of it. */
  metadata?: Record<string, Json>;
}

/** A session goes on after a break. */
export interface SessionResumed {
  /** When it happened, in milliseconds since 1970. */
  timestamp: number;
  /** The session that it belongs to. */
  sessionId: string;
  /** The session. */
  session: SessionInfo;
}

/** A slash command has run. */
export interface SlashCommandExecuted {
  /** When it happened, in milliseconds since 1970. */
  timestamp: number;
  /** The session that it belongs to. */
  sessionId: string;
  /** Its name, without the slash. */
  name: string;
  /** Its arguments. */
  args: string[];
  /** Whether it succeeded. */
  success: boolean;
}

/** A tool has run. */
export interface ToolExecuteAfter {
  /** When it happened, in milliseconds since 1970. */
  timestamp: number;
  /** The session that it belongs to. */
  sessionId: string;
  /** The tool's name. */
  tool: string;
  /** The arguments that it ran with. */
  args: Record<string, Json>;
  /** Names the call. */
  callId: string;
  /** What it gave. */
  result: Json;
  /** How long it took, in milliseconds. */
  durationMs: number;
}

/** An answer to `tool.execute.after`. */
export interface ToolExecuteAfterAnswer {
  /** The result that the model gets to see instead. */
  result?: Json;
}

/** A tool is about to run. */
export interface ToolExecuteBefore {
  /** When it happened, in milliseconds since 1970. */
  timestamp: number;
  /** The session that it belongs to. */
  sessionId: string;
  /** The tool's name. */
  tool: string;
  /** The arguments of the call. */
  args: Record<string, Json>;
  /** Names the call; its `tool.execute.after` bears the same. */
  callId: string;
  /** Where the tool comes from. */
  source: ToolSource;
  /** The agent that calls it, if it is not the main one. */
  agentId?: string;
}

/** An answer to `tool.execute.before`. */
export interface ToolExecuteBeforeAnswer {
  /** Whether the call must not happen. */
  block?: boolean;
  /** Why, for the user and the model. */
  reason?: string;
  /** The arguments to run with instead: all of them. */
  args?: Record<string, Json>;
}

/** Where a tool comes from. */
export type ToolSource = 'builtin' | 'custom' | 'plugin' | 'mcp' | (string & {});

/** What each event carries, by its name. */
export interface EventPayloads {
  /** A tool is about to run. Plugins may change its arguments or block the call. */
  'tool.execute.before': ToolExecuteBefore;
  /** A tool has run. Plugins may change what the model gets to see of its result. */
  'tool.execute.after': ToolExecuteAfter;
  /** Something needs a permission that no rule gives or refuses. Plugins may allow or deny it; deny wins over allow, and if nobody answers the user decides. */
  'permission.ask': PermissionAsk;
  /** A request for permission was answered by the user, a rule or a plugin. */
  'permission.replied': PermissionReplied;
  /** A session has begun. */
  'session.created': SessionCreated;
  /** A session goes on after a break. */
  'session.resumed': SessionResumed;
  /** The conversation is about to be compacted. Plugins may say what must be kept, or cancel it. */
  'session.compacting': SessionCompacting;
  /** The conversation was compacted. */
  'session.compacted': SessionCompacted;
  /** The agent has nothing to do. With reason `completed` it is also called `session.completed`. */
  'session.idle': SessionIdle;
  /** Something went wrong in the session. */
  'session.error': SessionError;
  /** A message was added to the conversation. */
  'message.added': MessageAdded;
  /** A message of the conversation was changed. */
  'message.updated': MessageUpdated;
  /** A message was removed from the conversation. */
  'message.removed': MessageRemoved;
  /** The conversation is about to be sent to a model. Plugins may change it or block it. */
  'chat.message': ChatMessage;
  /** An agent was created and has not begun yet. */
  'agent.created': AgentCreated;
  /** An agent has begun its task. */
  'agent.started': AgentStarted;
  /** An agent is done with its task. */
  'agent.completed': AgentCompleted;
  /** An agent has given up its task. */
  'agent.failed': AgentFailed;
  /** A file was written. The agent goes on when the plugins are done with it, so that it reads what a formatter left. */
  'file.modified': FileModified;
  /** A file was deleted. */
  'file.deleted': FileDeleted;
  /** A command of the `mimir` program has run. */
  'command.executed': CommandExecuted;
  /** A slash command has run. */
  'slash.command.executed': SlashCommandExecuted;
  /** A call of a model was paid for. */
  'cost.updated': CostUpdated;
  /** The session has cost more than its budget. Plugins may stop the agent. */
  'budget.exceeded': BudgetExceeded;
  /** The task is done: `session.idle` with reason `completed`. */
  'session.completed': SessionIdle & { reason: 'completed' };
}

/** The answers that each event takes; `never` if it takes none. */
export interface EventAnswers {
  'tool.execute.before': ToolExecuteBeforeAnswer;
  'tool.execute.after': ToolExecuteAfterAnswer;
  'permission.ask': PermissionAskAnswer;
  'permission.replied': never;
  'session.created': never;
  'session.resumed': never;
  'session.compacting': SessionCompactingAnswer;
  'session.compacted': never;
  'session.idle': never;
  'session.error': never;
  'message.added': never;
  'message.updated': never;
  'message.removed': never;
  'chat.message': ChatMessageAnswer;
  'agent.created': never;
  'agent.started': never;
  'agent.completed': never;
  'agent.failed': never;
  'file.modified': never;
  'file.deleted': never;
  'command.executed': never;
  'slash.command.executed': never;
  'cost.updated': never;
  'budget.exceeded': BudgetExceededAnswer;
  'session.completed': never;
}

/** The name of an event, or its alias. */
export type EventName = keyof EventPayloads;

/** What a handler may give back: an answer, or nothing. */
export type EventResult<E extends EventName> = EventAnswers[E] | null | undefined | void;
