test('primitives and boxes', () => {
  for (const value of [undefined, null, true, 0, -0, NaN, Infinity, 'a', 10n]) check(structuredClone(value), value);
  for (const value of [Object(false), Object(1.5), Object('s'), Object(7n)]) {
    const copy = structuredClone(value);
    check(typeof copy, 'object');
    check(copy !== value && copy.valueOf() === value.valueOf(), true);
  }
  throws(() => structuredClone(), 'TypeError');
  throws(() => structuredClone(Symbol('s')), 'DataCloneError');
  throws(() => structuredClone(Object(Symbol('s'))), 'DataCloneError');
  throws(() => structuredClone(() => 1), 'DataCloneError');
  throws(() => structuredClone({ a: { b() {} } }), 'DataCloneError');
});

test('objects and lists', () => {
  const source = { a: 1, b: { c: [1, , 3] }, ['__proto__']: { evil: 1 } };
  source.self = source;
  source.again = source.b;
  const copy = structuredClone(source);
  check(copy.self === copy, true);
  check(copy.again === copy.b && copy.b !== source.b, true);
  check(Object.getPrototypeOf(copy) === Object.prototype, true);
  check(Object.keys(copy), ['a', 'b', '__proto__', 'self', 'again']);
  check(1 in copy.b.c, false);
  check(copy.b.c.length, 3);
  const list = [1];
  list.extra = 'x';
  check(structuredClone(list).extra, 'x');
  class A { constructor() { this.x = 1; } get y() { return 2; } }
  check(structuredClone(new A()), { x: 1 });
  check(structuredClone({ get g() { return 5; } }), { g: 5 });
  check(structuredClone(Object.create(null, { x: { value: 1, enumerable: true } })), { x: 1 });
  check(structuredClone({ [Symbol('s')]: 1 }), {});
  check(structuredClone(Object.create({ inherited: 1 })), {});
  throws(() => structuredClone({ get g() { throw new RangeError('mine'); } }), 'RangeError');
});

test('built-in classes', () => {
  check(structuredClone(new Date(5)).getTime(), 5);
  check(structuredClone(new Date(NaN)).getTime(), NaN);
  const r = /a+/giu;
  r.lastIndex = 3;
  const re = structuredClone(r);
  check([String(re), re.lastIndex], ['/a+/giu', 0]);
  const key = { k: 1 };
  const m = structuredClone(new Map([[key, new Set([key])]]));
  check([...m.values()][0].has([...m.keys()][0]), true);
  const b = new Uint8Array([1, 2, 3, 4]);
  const two = structuredClone({ a: b, b: b.subarray(1, 3), d: new DataView(b.buffer, 2), buffer: b.buffer });
  check([...two.b], [2, 3]);
  check(two.a.buffer === two.b.buffer && two.buffer === two.d.buffer && two.buffer !== b.buffer, true);
  check(two.d.getUint8(0), 3);
  for (const T of [Int8Array, Uint8ClampedArray, Int16Array, Uint16Array, Int32Array, Uint32Array, Float16Array,
    Float32Array, Float64Array]) check(structuredClone(new T([1, 2])), new T([1, 2]), T.name);
  check(structuredClone(new BigInt64Array([-1n])), new BigInt64Array([-1n]));
  const e = structuredClone(Object.assign(new RangeError('m', { cause: { c: 1 } }), { extra: 1 }));
  check([e instanceof RangeError, e.message, e.cause, e.extra], [true, 'm', { c: 1 }, undefined]);
  check(e.stack.includes('RangeError: m'), true);
  class MyError extends Error { name = 'MyError'; }
  check(structuredClone(new MyError('x')).name, 'Error');
  check(structuredClone(new DOMException('a', 'AbortError')).code, 20);
  check(structuredClone(new DOMException('a', 'AbortError')) instanceof DOMException, true);
});

test('what cannot be cloned', () => {
  for (const value of [Promise.resolve(), new WeakMap(), new WeakSet(), new WeakRef({}), new Proxy({}, {}),
    (function* () {})(), new URL('http://a'), new URLSearchParams(), new AbortController(), new EventTarget(),
    new Event('x'), new TextDecoder()]) {
    throws(() => structuredClone(value), 'DataCloneError', Object.prototype.toString.call(value));
  }
});

test('transfer', () => {
  const buffer = new Uint8Array([1, 2]).buffer;
  const copy = structuredClone({ buffer, view: new Uint8Array(buffer, 1) }, { transfer: [buffer] });
  check(buffer.byteLength, 0);
  check(buffer.detached, true);
  check([...copy.view], [2]);
  check(copy.view.buffer === copy.buffer, true);
  throws(() => structuredClone(buffer), 'DataCloneError');
  throws(() => structuredClone(1, { transfer: [buffer] }), 'DataCloneError');
  const kept = new ArrayBuffer(4);
  throws(() => structuredClone({ kept, f() {} }, { transfer: [kept] }), 'DataCloneError');
  check(kept.byteLength, 4, 'a failure leaves the buffer attached');
  throws(() => structuredClone(1, { transfer: [kept, kept] }), 'DataCloneError');
  throws(() => structuredClone(1, { transfer: [{}] }), 'DataCloneError');
  throws(() => structuredClone(1, { transfer: 3 }), 'TypeError');
  check(structuredClone([kept, 'x'], { transfer: new Set([kept]) })[1], 'x');
});
