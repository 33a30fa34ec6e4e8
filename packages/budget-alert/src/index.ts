import type { Plugin } from '@mimir/plugin';

export interface Options {
  /** What a session may cost, in US dollars. Without it the configuration's `budget.maxCost` counts, else 10. */
  budget?: number;
  /** At how many per cent of the budget the user is told, each once a session. */
  thresholds: number[];
  /** Whether the session is stopped when Mimir says that its budget is exceeded. */
  stop: boolean;
}

const DEFAULTS: Options = { thresholds: [50, 80, 100], stop: false };
const DEFAULT_BUDGET = 10;

const budgetAlert: Plugin = async (ctx) => {
  const options: Options = { ...DEFAULTS, ...(ctx.config.options as Partial<Options> | undefined) };
  const configured = (ctx.config as { budget?: { maxCost?: number } }).budget?.maxCost;
  const budget = options.budget ?? configured ?? DEFAULT_BUDGET;
  const thresholds = options.thresholds.toSorted((a, b) => a - b);

  /** Which thresholds each session has passed. Read from the storage once, so that a resumed session is not told again. */
  const passed = new Map<string, Promise<Set<number>>>();
  const passedIn = (sessionId: string): Promise<Set<number>> => {
    const known = passed.get(sessionId);
    if (known) return known;
    const loading = Promise.resolve(ctx.storage.get(key(sessionId))).then(
      (stored) => new Set(Array.isArray(stored) ? stored.filter((item) => typeof item === 'number') : []),
    );
    // A failed read is tried again at the next event.
    loading.catch(() => passed.delete(sessionId));
    passed.set(sessionId, loading);
    return loading;
  };

  const tell = async (message: string): Promise<void> => {
    ctx.log.warn(message);
    await ctx.notify(message);
  };

  return {
    on: {
      'cost.updated': async ({ sessionId, totalCost, model }) => {
        if (!(budget > 0)) return;
        const percent = (totalCost / budget) * 100;
        const told = await passedIn(sessionId);
        const fresh = thresholds.filter((threshold) => percent >= threshold && !told.has(threshold));
        const highest = fresh.at(-1);
        if (highest === undefined) return;
        // Marked before anything is awaited, so that the next event does not tell the same again.
        for (const threshold of fresh) told.add(threshold);
        await ctx.storage.set(key(sessionId), [...told]);
        await tell(
          highest >= 100
            ? `budget used up: ${dollars(totalCost)} of ${dollars(budget)} (last by ${model})`
            : `${Math.floor(percent)} % of the budget used: ${dollars(totalCost)} of ${dollars(budget)}`,
        );
      },

      'budget.exceeded': async ({ sessionId, limit, totalCost }) => {
        const told = await passedIn(sessionId);
        if (!told.has(100)) {
          told.add(100);
          await ctx.storage.set(key(sessionId), [...told]);
          await tell(`budget exceeded: ${dollars(totalCost)} of ${dollars(limit)}`);
        }
        if (options.stop)
          return { stop: true, reason: `the budget of ${dollars(limit)} is used up (${dollars(totalCost)})` };
      },
    },
  };
};

export default budgetAlert;

function key(sessionId: string): string {
  return `passed:${sessionId}`;
}

function dollars(amount: number): string {
  return `$${amount.toFixed(2)}`;
}
