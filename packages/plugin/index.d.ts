import type { EventName, EventPayloads, EventResult, Json, Message } from './events.d.ts';

export type * from './events.d.ts';

/**
 * A plugin: called once, when it starts, and gives what it adds. It is the module's default export or its only exported
 * function.
 */
export type Plugin = (ctx: PluginContext) => Registrations | void | Promise<Registrations | void>;

/** What a plugin adds. */
export interface Registrations {
  /** Tools for the model, made by `tool()`. */
  tools?: Tool[];
  /** Handlers of events; plugin.yml must list each of them. */
  on?: EventHandlers;
  /** Slash commands. */
  commands?: Command[];
  /** Ways to sign in to providers, by provider. */
  auth?: { providers: Record<string, AuthProvider> };
  /** Called before the plugin goes. */
  dispose?(): void | Promise<void>;
}

/** A handler of one event: what it returns is its answer. */
export type EventHandler<Name extends EventName> = (
  event: EventPayloads[Name],
  ctx: PluginContext,
) => EventResult<Name> | Promise<EventResult<Name>>;

/** Handlers by event. `session.completed` is a `session.idle` whose reason is `completed`. */
export type EventHandlers = { [Name in EventName]?: EventHandler<Name> };

/** Gives a token for a service. It is asked again when the token has ended or was refused. */
export type AuthProvider = (config: AuthConfig, ctx: PluginContext) => AuthResult | Promise<AuthResult>;

/** What a token is for, as Mimir's configuration says it, and help with OAuth. */
export interface AuthConfig {
  readonly oauth: OAuth;
  readonly [key: string]: any;
}

/** Without an end it is kept until it is refused, or until Mimir ends. */
export interface AuthResult {
  token: string;
  /** When the token stops to work, in milliseconds since 1970. */
  expiresAt?: number;
  /** How long the token works, in seconds from now. */
  expiresIn?: number;
  /** Further headers of each request. */
  headers?: Record<string, string>;
}

/** Mimir asks the servers and the person. All hosts have to be in the plugin's `network.allowlist`. */
export interface OAuth {
  /** Shows the person a code to enter elsewhere (RFC 8628). */
  deviceCode(options: OAuthClient & { deviceUrl: string }): Promise<OAuthToken>;
  /** Sends the person's browser there and back (authorization code with PKCE, RFC 8252). */
  browser(options: OAuthClient & { authorizeUrl: string }): Promise<OAuthToken>;
  /** Another token for a refresh token. */
  refresh(options: Omit<OAuthClient, 'scopes'> & { refreshToken: string }): Promise<OAuthToken>;
}

export interface OAuthClient {
  clientId: string;
  tokenUrl: string;
  scopes?: string[];
  /** Further parameters of the first request. They replace none of the protocol's. */
  params?: Record<string, string>;
}

export interface OAuthToken {
  token: string;
  refreshToken: string | null;
  /** Seconds from now. */
  expiresIn: number | null;
  scope: string | null;
}

/** A tool as `tool()` takes it. */
export interface ToolDefinition<Args = any> {
  /** Up to 64 letters, digits, `_` and `-`, a letter first. */
  name: string;
  /** What it does and when to use it: the model chooses by it. */
  description: string;
  /** What it takes: JSON Schema of an object, or a schema of Zod 4.2+ or any library with Standard JSON Schema. */
  schema?: Schema<Args>;
  execute(args: Args, ctx: PluginContext): unknown;
}

/** A tool as `tool()` gives it: its schema is JSON Schema. */
export interface Tool {
  name: string;
  description: string;
  schema?: object;
  execute(args: any, ctx: PluginContext): unknown;
}

/** JSON Schema, or an object of a schema library, from which the type of the arguments follows. */
export type Schema<Args> =
  | { readonly '~standard': { readonly types?: { readonly output: Args } | undefined } }
  | { type: 'object'; properties?: Record<string, unknown>; required?: readonly string[]; [key: string]: unknown };

export interface Command {
  /** Without the slash: a lower-case letter, then letters, digits and `-`. */
  name: string;
  description: string;
  /** Gets the words behind the name. What it returns, mostly a text, is shown to the person. */
  execute(args: string[], ctx: PluginContext): unknown;
}

/** Everything a plugin can do. What plugin.yml does not ask for, or the user did not grant, throws `MimirError`. */
export interface PluginContext {
  readonly fs: FileSystem;
  readonly exec: Exec;
  readonly docker: Docker;
  readonly llm: Llm;
  readonly tools: Tools;
  readonly storage: Storage;
  readonly log: Log;
  readonly session: Session;
  /** The configuration without secrets; the plugin's own settings are in `options`. */
  readonly config: { readonly options?: { readonly [key: string]: unknown }; readonly [key: string]: unknown };
  readonly project: {
    /** The nearest folder upwards with `.mimir/` or `.git`. */
    readonly root: string;
    /** The root of Git's working tree; the same as `root` where there is none. */
    readonly worktree: string;
  };
  readonly plugin: { readonly name: string; readonly version: string };
  /** Whether the plugin was started anew after its process was lost: its memory is gone, its storage is not. */
  readonly restarted: boolean;
  /** Fires at the limit, or when the user interrupts. Only during a call. */
  readonly signal: AbortSignal | undefined;
  /**
   * What stands for a secret that the plugin may send and never sees: put it into the value of a header of `fetch`. It needs
   * `capabilities.secrets`, and is replaced on the way to the hosts named there alone.
   */
  secret(name: string): Promise<string>;
  /** Shows the user a message. */
  notify(message: string, level?: 'info' | 'warn' | 'error'): Promise<void>;
  /**
   * Asks the person a question, in one line that names the plugin. Gives the answer, or `undefined` if they would not answer.
   * Throws `UNSUPPORTED` where nobody is there, and `LIMIT` if the plugin has a question open already.
   */
  ask(question: string, options?: AskOptions): Promise<string | undefined>;
  ask<Choice extends string>(
    question: string,
    options: { choices: readonly Choice[]; default?: NoInfer<Choice> },
  ): Promise<Choice | undefined>;
  /** Asks the person a question that is answered by yes or no. Throws as `ask` does. */
  confirm(question: string): Promise<boolean>;
}

export interface AskOptions {
  /** What an empty answer means. */
  default?: string;
}

/** Files beneath the project's root; paths are relative to it. Needs `capabilities.filesystem`. */
export interface FileSystem {
  /** The whole file as text. A file that is not UTF-8 can be read as `'base64'` or as `'bytes'`. */
  readFile(path: string, encoding?: TextEncoding | { encoding?: TextEncoding }): Promise<string>;
  readFile(path: string, encoding: 'bytes' | { encoding: 'bytes' }): Promise<Uint8Array<ArrayBuffer>>;
  /** Replaces the file in one step. Text in `'base64'` stands for the bytes that it encodes. */
  writeFile(path: string, data: FileData, options?: { encoding?: DataEncoding }): Promise<void>;
  appendFile(path: string, data: FileData, options?: { encoding?: DataEncoding }): Promise<void>;
  exists(path: string): Promise<boolean>;
  /** Follows links, but for `isSymlink`. */
  stat(path: string): Promise<Stat>;
  /** The names in a folder. */
  readdir(path: string): Promise<string[]>;
  mkdir(path: string, options?: { recursive?: boolean }): Promise<void>;
  /** Makes the folder and those above it, where they are missing. */
  ensureDir(path: string): Promise<void>;
  /** Removes a file, a link, an empty folder, or with `recursive` a folder and all in it. */
  remove(path: string, options?: { recursive?: boolean }): Promise<void>;
  unlink(path: string): Promise<void>;
  join(...parts: string[]): string;
  resolve(...parts: string[]): string;
  relative(from: string, to: string): string;
  dirname(path: string): string;
  basename(path: string, suffix?: string): string;
  extname(path: string): string;
}

export type TextEncoding = 'utf8' | 'utf-8' | 'base64';

export type DataEncoding = 'utf8' | 'base64';

export type FileData = string | ArrayBuffer | ArrayBufferView;

export interface Stat {
  isFile: boolean;
  isDirectory: boolean;
  isSymlink: boolean;
  /** Bytes. */
  size: number;
  /** When it was last changed, in milliseconds since 1970. */
  mtimeMs: number;
}

/** Runs a program, without a shell. Needs `capabilities.exec`. */
export interface Exec extends Execute {
  /** The same function. */
  readonly execute: Execute;
}

export interface Execute {
  /** Without `args` the command is a whole command line, split at its spaces and quotes. */
  (command: string, args?: readonly string[], options?: ExecOptions): Promise<ExecResult>;
  /** The object goes to the program's standard input as JSON. */
  (command: string, input: { readonly [key: string]: unknown }, options?: ExecOptions): Promise<ExecResult>;
}

export interface ExecOptions {
  /** What the program reads from its standard input; anything but a string is written as JSON. */
  input?: unknown;
  /** The folder it runs in, relative to the project's root. */
  cwd?: string;
  /** Variables in addition to the few that every program gets. */
  env?: Record<string, string>;
  /** Milliseconds until it is ended: 60,000 if not given, 600,000 at most. The limit of the event counts as well. */
  timeoutMs?: number;
}

export interface ExecResult {
  /** A program that a signal ended has 128 and the signal's number, as in shells. */
  exitCode: number;
  stdout: string;
  stderr: string;
}

/** Runs containers. Needs `capabilities.docker`, and the image among its `images`. */
export interface Docker {
  /**
   * Runs a container to its end. It has no network and no privileges, and nothing is mounted into it: `files` are copied
   * to `/project`, where it starts. An image that is not on the machine throws `NOT_FOUND`.
   */
  run(image: string, options?: DockerOptions): Promise<ExecResult>;
}

export interface DockerOptions {
  /** Arguments of the image's entry point. */
  command?: readonly string[];
  /** Files and folders of the project that the plugin may read. What it may not read in a folder is left out. */
  files?: readonly string[];
  env?: Record<string, string>;
  /** What the program reads from its standard input; anything but a string is written as JSON. */
  input?: unknown;
  /** Milliseconds until it is ended: 60,000 if not given, 600,000 at most. The limit of the event counts as well. */
  timeoutMs?: number;
}

/** The agent's tools. Needs `capabilities.tools` with the names, or globs on them. */
export interface Tools {
  /** The tools that the plugin may call. */
  list(): Promise<AgentTool[]>;
  get(name: string): Promise<AgentTool | undefined>;
  /**
   * Has a tool called as the model calls it, with its permission asked anew; the plugin is not asked itself, neither for that
   * nor before the tool. Gives the tool's result; throws `FAILED` if it failed or was refused.
   */
  execute<Result = any>(name: string, args?: { readonly [key: string]: unknown }): Promise<Result>;
}

/** A tool as a model is told of it. */
export interface AgentTool {
  name: string;
  description: string;
  /** JSON Schema of its arguments. */
  inputSchema: { [key: string]: unknown };
}

/** Calls language models, within the budget of the session. Needs `capabilities.llm`. */
export interface Llm {
  /** Asks for a whole answer. What it may cost at most is set aside before; `LIMIT` where that is more than is left. */
  chat(request: LlmRequest): Promise<LlmAnswer>;
  /** Asks for an answer piece by piece; the last piece is the whole. Left early, it counts as the most it may cost. */
  streamChat(request: LlmRequest): AsyncGenerator<LlmPiece, void, void>;
  countTokens(request: LlmRequest): Promise<number>;
  /** US dollars; `null` for a model without a known price. */
  calculateCost(model: string, usage: Partial<LlmUsage>): Promise<number | null>;
  /** US dollars of this session. `limit` and `remaining` are `null` where there is no limit. */
  budget(): Promise<{ limit: number | null; spent: number; remaining: number | null }>;
}

export interface LlmRequest {
  model: string;
  /** A text is what the user says, alone. */
  messages: string | readonly Message[];
  tools?: readonly { name: string; description: string; inputSchema: { [key: string]: unknown } }[];
  /** The most tokens that the answer may have: 4,096 if not given. */
  maxTokens?: number;
  /** From 0 to 1. */
  temperature?: number;
}

export interface LlmAnswer {
  /** The text of the message. */
  text: string;
  message: Message;
  /** Why it ends: `end`, `toolCalls`, `maxTokens`, `refused`, or the provider's own word. */
  stop: string;
  usage: LlmUsage;
  /** US dollars; `null` for a model without a known price. */
  cost: number | null;
  /** The model that answered. */
  model: string;
}

export type LlmPiece = { text: string; answer?: undefined } | { text?: undefined; answer: LlmAnswer };

/** Tokens; each is counted once. */
export interface LlmUsage {
  inputTokens: number;
  outputTokens: number;
  cacheReadTokens: number;
  cacheWriteTokens: number;
}

/** A small store of the plugin's own in this project. It outlives the session, and is cleared at uninstall. */
export interface Storage {
  get<T = unknown>(key: string): Promise<T | undefined>;
  set(key: string, value: unknown): Promise<void>;
  delete(key: string): Promise<void>;
  keys(): Promise<string[]>;
  clear(): Promise<void>;
}

export interface Log {
  debug(...values: unknown[]): void;
  info(...values: unknown[]): void;
  warn(...values: unknown[]): void;
  error(...values: unknown[]): void;
}

/** The session of the event at hand. Outside of an event `id` is empty, and the rest throws `NOT_FOUND`. */
export interface Session {
  readonly id: string;
  /** The oldest first. Fetched at first use, and the same during one event. */
  messages(): Promise<Message[]>;
  /** What else the agent keeps about the session. */
  metadata(): Promise<{ [key: string]: Json }>;
}

/** What a refused or failed call throws. */
export interface MimirError extends Error {
  readonly name: 'MimirError';
  readonly code:
    | 'CAPABILITY_DENIED'
    | 'NOT_RECORDED'
    | 'INVALID_ARGUMENT'
    | 'NOT_FOUND'
    | 'IO'
    | 'TIMEOUT'
    | 'LIMIT'
    | 'UNSUPPORTED'
    | 'FAILED';
  /** The capability that is missing, such as `filesystem.write`. */
  readonly capability?: string;
  /** What to do about it. */
  readonly hint?: string;
}

/** Checks a tool's definition, turns its schema into JSON Schema and checks the arguments of each call by it. */
export function tool<Args = any>(definition: ToolDefinition<Args>): Tool;

/** Gives the plugin back; for JavaScript, where it carries the type. */
export function definePlugin(plugin: Plugin): Plugin;
