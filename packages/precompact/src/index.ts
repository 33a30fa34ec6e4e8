import type { Plugin } from '@mimir/plugin';

import { remember } from './memory.ts';

export interface Options {
  /** The most todos, files and decisions to keep, each. The latest are kept. */
  maxItems: number;
  /** The most characters to add to the context. */
  maxChars: number;
}

const DEFAULTS: Options = { maxItems: 40, maxChars: 6_000 };

const precompact: Plugin = async (ctx) => {
  const options: Options = { ...DEFAULTS, ...(ctx.config.options as Partial<Options> | undefined) };
  /** Files that were changed, by session, the latest last. They also cover what sub-agents did in a context of their own. */
  const changed = new Map<string, Set<string>>();

  return {
    on: {
      'file.modified': async ({ sessionId, path }) => {
        if (path === '') return;
        const files = changed.get(sessionId) ?? new Set();
        changed.set(sessionId, files);
        files.delete(path);
        files.add(path);
      },

      'file.deleted': async ({ sessionId, path }) => {
        changed.get(sessionId)?.delete(path);
      },

      'session.compacting': async ({ sessionId }) => {
        const { todos, files, decisions } = remember(await ctx.session.messages());
        const touched = [...new Set([...files, ...(changed.get(sessionId) ?? [])])];
        const context = [
          section('Still to do', todos, options.maxItems),
          section('Decisions so far', decisions, options.maxItems),
          section('Files touched in this session', touched, options.maxItems),
        ].flatMap((text) => text ?? []);
        if (context.length === 0) return;
        ctx.log.info(`kept ${todos.length} todos, ${decisions.length} decisions and ${touched.length} files`);
        return { context: within(context, options.maxChars) };
      },
    },
  };
};

export default precompact;

function section(title: string, items: string[], max: number): string | undefined {
  if (items.length === 0) return undefined;
  const kept = items.slice(-max);
  const omitted = items.length - kept.length;
  const lines = kept.map((item) => `- ${item}`);
  if (omitted > 0) lines.unshift(`- (${omitted} earlier ones left out)`);
  return `${title}:\n${lines.join('\n')}`;
}

/** Cuts at the end of a line, so that no entry is kept by half. */
function within(context: string[], maxChars: number): string[] {
  let left = maxChars;
  return context.flatMap((text) => {
    const cut = text.length <= left ? text : text.slice(0, text.lastIndexOf('\n', left));
    left -= text.length;
    return left + text.length > 0 && cut.includes('\n') ? [cut] : [];
  });
}
