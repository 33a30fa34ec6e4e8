/** What is worth keeping of a conversation. */
export interface Memory {
  todos: string[];
  files: string[];
  decisions: string[];
}

/** A part of a message, in the shapes that providers and recordings use. */
interface Part {
  type?: string;
  id?: unknown;
  callId?: unknown;
  tool_use_id?: unknown;
  isError?: unknown;
  is_error?: unknown;
  text?: unknown;
  name?: unknown;
  tool?: unknown;
  input?: unknown;
  args?: unknown;
}

const DECISION =
  /^\s*(?:[-*>]\s*)?(?:\*\*)?(?:decision|decided|we decided|agreed|convention|constraint|important)\b(?:\*\*)?\s*[:,—-]\s*(.{4,300})$/i;
const OPEN_TODO = /^\s*[-*]\s+\[ \]\s+(.{2,300})$/;
const DONE_TODO = /^\s*[-*]\s+\[[xX]\]\s+(.{2,300})$/;
const WRITES = /write|edit|create|patch|replace|multiedit/i;

/** Reads what the messages say. Later messages win: a todo that was ticked off later is not open. */
export function remember(messages: readonly unknown[]): Memory {
  const todos = new Map<string, boolean>();
  const files = new Set<string>();
  const decisions = new Set<string>();
  const failed = failedCalls(messages);

  for (const message of messages) {
    const { role, content } = (message ?? {}) as { role?: unknown; content?: unknown };
    for (const part of partsOf(content)) {
      const call = callOf(part);
      if (call) {
        if (failed.has(call.id)) continue;
        for (const path of writtenPaths(call)) files.add(path);
        const list = (call.input as { todos?: unknown }).todos;
        if (Array.isArray(list)) {
          // A todo tool always gives the whole list, so what it no longer names is not open either.
          todos.clear();
          for (const item of list) addTodo(todos, item);
        }
      } else if (typeof part.text === 'string' && role !== 'tool') {
        for (const line of part.text.split('\n')) {
          const open = OPEN_TODO.exec(line)?.[1];
          const done = DONE_TODO.exec(line)?.[1];
          const decision = DECISION.exec(line)?.[1];
          if (open !== undefined) todos.set(open.trim(), true);
          else if (done !== undefined) todos.set(done.trim(), false);
          else if (decision !== undefined) decisions.add(decision.trim());
        }
      }
    }
  }

  return {
    todos: [...todos].filter(([, isOpen]) => isOpen).map(([text]) => text),
    files: [...files],
    decisions: [...decisions],
  };
}

function partsOf(content: unknown): Part[] {
  if (typeof content === 'string') return [{ type: 'text', text: content }];
  return Array.isArray(content)
    ? content.filter((part): part is Part => part !== null && typeof part === 'object')
    : [];
}

/** A call of a tool: `{type: "toolCall", name, args}`; other recordings have `{type: "tool_use", name, input}`. */
function callOf({ type, id, name, tool, input, args }: Part): { id: unknown; name: string; input: object } | undefined {
  if (typeof type !== 'string' || !/^tool[_-]?(?:use|call)$/i.test(type)) return undefined;
  const given = input ?? args;
  return { id, name: String(name ?? tool ?? ''), input: given !== null && typeof given === 'object' ? given : {} };
}

/** The ids of the calls that were blocked or failed. */
function failedCalls(messages: readonly unknown[]): Set<unknown> {
  const parts = messages.flatMap((message) => partsOf((message as { content?: unknown } | null)?.content));
  const results = parts.filter(({ isError, is_error: snakeError }) => isError === true || snakeError === true);
  return new Set(results.map(({ callId, tool_use_id: snakeId }) => callId ?? snakeId));
}

function writtenPaths({ name, input }: { name: string; input: object }): string[] {
  if (!WRITES.test(name)) return [];
  const { path, filePath, file_path: snakePath } = input as Record<string, unknown>;
  return [path, filePath, snakePath].filter((value): value is string => typeof value === 'string' && value !== '');
}

function addTodo(todos: Map<string, boolean>, item: unknown): void {
  const { content, text, status, done } = (item ?? {}) as Record<string, unknown>;
  const title = typeof item === 'string' ? item : (content ?? text);
  if (typeof title !== 'string') return;
  todos.set(title, done !== true && !/^(?:completed|done|cancelled)$/.test(String(status ?? '')));
}
