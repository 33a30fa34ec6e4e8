// Runs a custom tool in a container: the call comes as JSON on standard input, what came of it goes to standard output
// behind a mark. What the tool prints goes to standard error.
import { Console } from 'node:console';

const [mark, module] = process.argv.slice(2);
globalThis.console = new Console(process.stderr, process.stderr);

const end = (outcome) => {
  let text;
  try {
    text = JSON.stringify(outcome);
  } catch (error) {
    text = JSON.stringify({ error: `what it returned is no JSON: ${error.message}` });
  }
  process.stdout.write(`\n${mark}${text}\n`, () => process.exit(0));
};

const fail = (error) => {
  const message = error instanceof Error ? `${error.name}: ${error.message}` : String(error);
  const at = /tool\.[cm]?[jt]s:(\d+)/.exec(error instanceof Error ? (error.stack ?? '') : '');
  end({ error: message, line: at ? Number(at[1]) : undefined });
};

process.on('uncaughtException', fail);
process.on('unhandledRejection', fail);

const read = async () => {
  const chunks = [];
  for await (const chunk of process.stdin) chunks.push(chunk);
  return JSON.parse(Buffer.concat(chunks).toString('utf8'));
};

try {
  const { args, context } = await read();
  const tool = await import(module);
  const offered = [tool.execute, tool.default?.execute, tool.default];
  const execute = offered.find((found) => typeof found === 'function');
  if (!execute) throw new Error('the code exports no function `execute`');
  // The same as in Mimir's sandbox; a container is stopped as a whole
  const log = { debug: console.debug, info: console.info, warn: console.warn, error: console.error };
  const signal = new AbortController().signal;
  end({ value: (await execute(args, { ...context, log, signal })) ?? null });
} catch (error) {
  fail(error);
}
