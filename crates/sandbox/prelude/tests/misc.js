test('the small globals', async () => {
  check(self === globalThis, true);
  check(navigator.userAgent, 'Mimir');
  check(typeof performance.now(), 'number');
  check(Number.isInteger(Math.round(performance.now() * 10 * 1e6) / 1e6), true, 'steps of 100 µs');
  const a = performance.now();
  check(performance.now() >= a, true);
  check(Math.abs(performance.timeOrigin + performance.now() - Date.now()) < 1000, true);
  check(Object.keys(performance.toJSON()), ['timeOrigin']);
  const order = [];
  queueMicrotask(() => order.push(1));
  await undefined;
  check(order, [1]);
  throws(() => queueMicrotask(1), 'TypeError');
});

test('lazy globals become plain data properties', () => {
  const before = Object.getOwnPropertyDescriptor(globalThis, 'TextEncoder');
  check([before.enumerable, before.configurable], [false, true]);
  check(typeof TextEncoder, 'function');
  const after = Object.getOwnPropertyDescriptor(globalThis, 'TextEncoder');
  check([typeof after.value, after.writable, after.enumerable, after.configurable], ['function', true, false, true]);
  globalThis.Performance = 5;
  check(Performance, 5);
  check(delete globalThis.Performance, true);
  check(typeof Performance, 'undefined');
});

test('patched prototypes do not reach the prelude', () => {
  const saved = [Array.prototype.push, String.prototype.slice, Map.prototype.get, Array.prototype[Symbol.iterator]];
  const boom = () => { throw new Error('patched'); };
  Array.prototype.push = String.prototype.slice = Map.prototype.get = Array.prototype[Symbol.iterator] = boom;
  let result;
  try {
    const url = new URL('https://a/?b=c');
    url.searchParams.append('d', 'e');
    result = url.href + structuredClone({ m: { k: [1] } }).m.k.length + path.join('a', '..', 'b') + atob('YQ==');
    const t = new EventTarget();
    t.addEventListener('x', () => { result += '!'; });
    t.dispatchEvent(new Event('x'));
  } finally {
    Array.prototype[Symbol.iterator] = saved[3];
    [Array.prototype.push, String.prototype.slice, Map.prototype.get] = saved;
  }
  check(result, 'https://a/?b=c&d=e1ba!');
});
