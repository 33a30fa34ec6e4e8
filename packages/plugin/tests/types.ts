// What the types must allow and refuse. Nothing in here runs: `tsc` is the test.

import path, { basename } from 'node:path';

import { definePlugin, tool, type EventHandlers, type Message, type Plugin, type PluginContext } from '@mimir/plugin';

/** Everything in `ctx`, with what it gives. */
export async function context(ctx: PluginContext): Promise<void> {
  const text: string[] = [
    await ctx.fs.readFile('a'),
    await ctx.fs.readFile('a', 'utf-8'),
    await ctx.fs.readFile('a', { encoding: 'base64' }),
    ctx.fs.join('a', 'b'),
    ctx.fs.resolve('a'),
    ctx.fs.relative('a', 'b'),
    ctx.fs.dirname('a/b'),
    ctx.fs.basename('a/b.ts', '.ts'),
    ctx.fs.extname('a.ts'),
    path.join('a', 'b'),
    globalThis.path.join('a', 'b'),
    basename('a/b'),
    ctx.project.root,
    ctx.project.worktree,
    ctx.plugin.name,
    ctx.plugin.version,
    ctx.session.id,
    ...(await ctx.fs.readdir('.')),
    ...(await ctx.storage.keys()),
  ];
  const bytes: Uint8Array[] = [await ctx.fs.readFile('a', 'bytes'), await ctx.fs.readFile('a', { encoding: 'bytes' })];
  const { isFile, isDirectory, isSymlink, size, mtimeMs } = await ctx.fs.stat('a');
  const known: boolean[] = [isFile, isDirectory, isSymlink, await ctx.fs.exists('a'), ctx.restarted];
  await ctx.fs.writeFile('a', 'text');
  await ctx.fs.writeFile('a', 'AAEC', { encoding: 'base64' });
  await ctx.fs.writeFile('a', new Uint8Array([size, mtimeMs]));
  await ctx.fs.appendFile('a', new DataView(new ArrayBuffer(8)));
  await ctx.fs.mkdir('b', { recursive: true });
  await ctx.fs.ensureDir('c');
  await ctx.fs.remove('b', { recursive: true });
  await ctx.fs.unlink('a');

  await ctx.exec('git status --short');
  await ctx.exec('cat', { as: 'json' }, { timeoutMs: 1_000 });
  const { exitCode, stdout, stderr } = await ctx.exec.execute('git', ['log'], {
    input: 'text',
    cwd: 'src',
    env: { LC_ALL: 'C' },
    timeoutMs: exitOf(known),
  });
  ctx.log.debug(exitCode, stdout, stderr, text, bytes);

  const container = await ctx.docker.run('node:22', {
    command: ['node', 'a.js'],
    files: ['src', 'a.js'],
    env: { CI: '1' },
    input: { as: 'json' },
    timeoutMs: 1_000,
  });
  const request = { model: 'm', messages: 'hi', maxTokens: 10, temperature: 0.5 };
  const answer = await ctx.llm.chat(request);
  for await (const piece of ctx.llm.streamChat({ model: 'm', messages: [answer.message], tools: [] })) {
    ctx.log.debug(piece.text === undefined ? piece.answer.stop : piece.text.length);
  }
  const cost: number | null = await ctx.llm.calculateCost('m', answer.usage);
  const { spent, remaining } = await ctx.llm.budget();
  ctx.log.debug(container.exitCode, cost, spent, remaining, await ctx.llm.countTokens(request));
  // @ts-expect-error nothing is mounted
  await ctx.docker.run('node:22', { mounts: ['/'] });

  const listed: string[] = (await ctx.tools.list()).map((found) => `${found.name} ${found.inputSchema['type']}`);
  const description: string | undefined = (await ctx.tools.get('read'))?.description;
  const read: string = await ctx.tools.execute<string>('read', { path: 'a' });
  await ctx.tools.execute('todo');
  // @ts-expect-error arguments are an object
  await ctx.tools.execute('read', 'a');
  const free: string | undefined = await ctx.ask('Which?', { default: 'this' });
  const chosen: 'this' | 'that' | undefined = await ctx.ask('Which?', { choices: ['this', 'that'], default: 'that' });
  // @ts-expect-error it is none of the choices
  await ctx.ask('Which?', { choices: ['this', 'that'], default: 'other' });
  const sure: boolean = await ctx.confirm('Sure?');
  ctx.log.debug(listed, description, read, free, chosen, sure);

  await ctx.storage.set('key', { any: ['JSON'] });
  const stored: { any: string[] } | undefined = await ctx.storage.get<{ any: string[] }>('key');
  await ctx.storage.delete('key');
  await ctx.storage.clear();
  const messages: Message[] = await ctx.session.messages();
  const { title } = await ctx.session.metadata();
  ctx.log.info(stored, messages, title, ctx.config.options?.['level'], process.env['CI']);
  ctx.log.warn();
  ctx.log.error();
  ctx.signal?.throwIfAborted();
  await ctx.notify('done');
  await ctx.notify('careful', 'warn');
  await fetch('https://example.com', { headers: { authorization: `Bearer ${await ctx.secret('API_TOKEN')}` } });

  // @ts-expect-error a null is no encoding: bytes are asked for by name
  await ctx.fs.readFile('a', null);
  // @ts-expect-error the option is `timeoutMs`
  await ctx.exec('git', [], { timeout: 1_000 });
  // @ts-expect-error the same function, but without itself
  void ctx.exec.execute.execute;
  // @ts-expect-error messages are fetched
  void ctx.session.messages.length.toFixed(ctx.session.messages[0]);
  // @ts-expect-error read-only
  ctx.session.id = 'other';
}

function exitOf(flags: boolean[]): number {
  return flags.length;
}

/** What handlers get, and what they may answer. */
export const handlers: EventHandlers = {
  'tool.execute.before': ({ tool: name, args }, ctx) => {
    ctx.log.info(name);
    if (args['force']) return { block: true, reason: 'no' };
    return args['quiet'] ? undefined : { args: { ...args, quiet: true } };
  },
  'tool.execute.after': async ({ result }) => ({ result }),
  'permission.ask': ({ risk }) => (risk === 'low' ? { allow: true } : null),
  'session.compacting': async () => ({ context: ['keep this'] }),
  'session.completed': async ({ reason }) => {
    const narrowed: 'completed' = reason;
    void narrowed;
  },
  'file.modified': async ({ path: file }, ctx) => ctx.notify(file),
  // @ts-expect-error the name of no event
  'file.created': async () => {},
};

export const wrongAnswers: EventHandlers = {
  // @ts-expect-error misspelt
  'tool.execute.before': () => ({ blok: true }),
  // @ts-expect-error `allow` decides
  'permission.ask': () => ({ reason: 'because' }),
  // @ts-expect-error takes no answer
  'file.modified': () => ({ block: true }),
};

/** Everything that a plugin can add. */
export const whole: Plugin = async (ctx) => ({
  on: handlers,
  tools: [
    tool({ name: 'a', description: 'd', execute: () => ctx.plugin.name }),
    tool<{ n: number }>({
      name: 'b',
      description: 'd',
      schema: { type: 'object', properties: { n: { type: 'number' } }, required: ['n'] },
      execute: ({ n }) => n.toFixed(),
    }),
  ],
  commands: [{ name: 'c', description: 'd', execute: (args: string[], context) => context.log.info(args) }],
  auth: {
    providers: {
      sso: async () => ({ token: 't', expiresAt: 0 }),
      device: async ({ oauth, baseUrl }, ctx) => {
        ctx.log.info(baseUrl);
        const { token, expiresIn } = await oauth.deviceCode({ clientId: 'me', deviceUrl: 'https://a.test/d', tokenUrl: 'https://a.test/t' });
        return { token, expiresIn: expiresIn ?? 3600, headers: { 'x-team': 'blue' } };
      },
    },
  },
  dispose() {},
});

export const nothing: Plugin = () => {};

export default definePlugin(whole);
