// Runs the way of every start and every event once while the snapshot is made, so that its functions are in the snapshot
// compiled: an isolate then neither waits for V8's parser nor keeps what it leaves behind. Nothing of it remains but that.

function warmUp() {
  native = () => undefined;
  const handler = (event) => (event.args.n > 1 ? { reason: 'x' } : undefined);
  setup(PromiseResolve(), { default: async () => ({ on: { 'tool.execute.before': handler, 'cost.updated': handler } }) });
  return () => {
    dispatchEvent(1, 'tool.execute.before', '{"sessionId":"s","args":{"n":1}}');
    dispatchEvent(2, 'cost.updated', '{"sessionId":"s","args":{"n":2}}');
    MapPrototypeSet(handlers, 'cost.updated', async () => undefined);
    dispatchEvent(3, 'cost.updated', '{"sessionId":"s","args":{"n":2}}');
    return () => {
      MapPrototypeDelete(handlers, 'tool.execute.before');
      MapPrototypeDelete(handlers, 'cost.updated');
      native = undefined;
    };
  };
}
