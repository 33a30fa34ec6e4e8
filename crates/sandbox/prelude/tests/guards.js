const HUGE = 2 ** 53 - 1;

test('array methods on huge array-likes', () => {
  const methods = ['sort', 'toSorted', 'reverse', 'toReversed', 'splice', 'toSpliced', 'with', 'slice', 'fill', 'copyWithin',
    'includes', 'indexOf', 'lastIndexOf', 'shift', 'unshift', 'forEach', 'map', 'filter', 'some', 'every', 'reduce',
    'reduceRight', 'flatMap', 'join', 'toLocaleString', 'flat', 'concat'];
  class List extends Array {}
  for (const name of methods) {
    const method = Array.prototype[name];
    const call = (self) => method.call(self, (x) => x, 0, 0);
    if (name !== 'concat') throws(() => call({ length: HUGE }), 'RangeError', `${name} on an array-like`);
    throws(() => call(new Array(2 ** 27)), 'RangeError', `${name} on a sparse array`);
    throws(() => Reflect.apply(method, new List(2 ** 27), [(x) => x, 0]), 'RangeError', `${name} on a subclass`);
    let reads = 0;
    const liar = { get length() { reads += 1; return reads > 1 ? HUGE : 1; } };
    try { call(liar); } catch (error) { check(error.name, 'TypeError', `${name}: ${error.message}`); }
    check(reads <= 1, true, `${name} reads the length once`);
    let asked = 0;
    const proxy = new Proxy([], { get: (t, key) => (key === 'length' ? (asked++ > 0 ? HUGE : 1) : t[key]), has: () => false });
    try { call(proxy); } catch (error) { check(['TypeError', 'RangeError'].includes(error.name), true, name); }
    check(asked <= 1 || name === 'flat', true, `${name} asks a proxy once, not ${asked} times`);
    throws(() => method.call(null), 'TypeError', `${name} on null`);
  }
  throws(() => [].concat({ length: HUGE, [Symbol.isConcatSpreadable]: true }), 'RangeError');
  throws(() => [].concat(new Array(2 ** 27)), 'RangeError');
  throws(() => [].concat(...new Array(100).fill(new Array(2 ** 20))), 'RangeError');
  throws(() => Array(2 ** 12).fill(new Array(2 ** 20)).flat(), 'RangeError');
  throws(() => [[Array(2 ** 12).fill(new Array(2 ** 20))]].flat(Infinity), 'RangeError');
  throws(() => Array.from({ length: 2 ** 32 - 1 }), 'RangeError');
  throws(() => Array.from(new Array(2 ** 27)), 'RangeError');
  throws(() => Uint8Array.from({ length: 2 ** 26 }), 'RangeError');
  throws(() => new Uint8Array(2 ** 23).sort(), 'RangeError');
  throws(() => String.raw({ raw: { length: HUGE } }), 'RangeError');
  try {
    new Array(2 ** 27).fill(0);
  } catch (error) {
    check(error.message, 'fill of 134217728 elements: more than 4194304 are not allowed in a plugin');
  }
});

test('long texts', () => {
  const long = 'x'.repeat(2 ** 25);
  for (const run of [
    () => 'x'.repeat(2 ** 28).split(''), () => 'x'.repeat(2 ** 23).split('x'), () => 'x'.repeat(2 ** 23).split(/x/),
    () => 'x'.repeat(2 ** 23).replaceAll('x', 'yy'), () => 'x'.repeat(2 ** 23).replace(/x/g, 'yy'), () => long.normalize(),
    () => long.toUpperCase(), () => long.toLowerCase(), () => long.localeCompare(long), () => encodeURIComponent(long),
    () => String.prototype.split.call({ toString: () => long }, ''), () => 'a'.match('(?:'.repeat(2000)),
    () => 'a'.search('a|'.repeat(2 ** 16)), () => Object.keys(long), () => Object.assign({}, long),
    () => Reflect.ownKeys(new Uint8Array(2 ** 21)), () => Object.getOwnPropertyNames(new Array(2 ** 21)),
  ]) throws(run, 'RangeError', run.toString());
  check(`${'x'.repeat(2 ** 23)},y`.split(',').length, 2, 'few parts of a long text');
  check(`${'x'.repeat(2 ** 23)},y`.replaceAll(',', ';').length, 2 ** 23 + 2);
  check(`${'x'.repeat(2 ** 23)},y`.replace(/,/g, '').length, 2 ** 23 + 1);
});

test('code of text', () => {
  throws(() => new Function('return 1'), 'EvalError');
  throws(() => Function('return 1'), 'EvalError');
  throws(() => (() => {}).constructor('return 1'), 'EvalError');
  throws(() => (async () => {}).constructor('return 1'), 'EvalError');
  throws(() => (function* () {}).constructor('return 1'), 'EvalError');
  throws(() => (async function* () {}).constructor('return 1'), 'EvalError');
  throws(() => Reflect.construct(Function, ['return 1']), 'EvalError');
  class F extends Function {}
  throws(() => new F('return 1'), 'EvalError');
  check((() => {}) instanceof Function, true);
  check([Function.name, Function.length, typeof Function.prototype.call], ['Function', 1, 'function']);
});

test('buffers do not grow', () => {
  const buffer = new ArrayBuffer(8, { maxByteLength: 2 ** 30 });
  check([buffer.resizable, buffer.byteLength, buffer.constructor === ArrayBuffer], [false, 8, true]);
  check(buffer instanceof ArrayBuffer && buffer.slice(2).byteLength, 6);
  class B extends ArrayBuffer {}
  check([new B(4).byteLength, new B(4) instanceof B], [4, true]);
  throws(() => ArrayBuffer(1), 'TypeError');
});

test('guards look and work like what they stand for', () => {
  for (const [object, name, length] of [
    [Array.prototype, 'sort', 1], [Array.prototype, 'splice', 2], [Array.prototype, 'concat', 1], [Array.prototype, 'flat', 0],
    [Array.prototype, 'toLocaleString', 0], [Array, 'from', 1], [String.prototype, 'split', 2], [String.prototype, 'replace', 2],
    [Object, 'assign', 2], [Reflect, 'ownKeys', 1], [Object, 'keys', 1],
  ]) {
    const d = Object.getOwnPropertyDescriptor(object, name);
    check([d.value.name, d.value.length, d.writable, d.enumerable, d.configurable, 'prototype' in d.value],
      [name, length, true, false, true, false], name);
    throws(() => new d.value(), 'TypeError', `new ${name}`);
  }
  check([3, 1, 2].sort(), [1, 2, 3]);
  const same = [2, 1];
  check(same.sort() === same && same.reverse() === same && same.fill(0) === same, true);
  const like = { 0: 'b', 1: 'a', length: 2 };
  check(Array.prototype.sort.call(like) === like && like[0], 'a');
  class Own { #n = 2; get length() { return this.#n; } 0 = 'p'; 1 = 'q'; }
  const own = new Own();
  check(Array.prototype.map.call(own, (x) => x + x), ['pp', 'qq']);
  check(Array.prototype.reverse.call(new (class { get length() { return 2; } set length(v) {} 0 = 'p'; 1 = 'q'; })())[0], 'q');
  check(Array.prototype.slice.call('abc', 1), ['b', 'c']);
  check((function () { return Array.prototype.slice.call(arguments, 1); })(1, 2, 3), [2, 3]);
  check(Array.prototype.map.call(new Uint8Array([1, 2]), (x) => `${x}`), ['1', '2']);
  check([1].concat(2, [3, [4]], 'x', { length: 1 }), [1, 2, 3, [4], 'x', { length: 1 }]);
  check([].concat({ length: 2, 0: 'a', [Symbol.isConcatSpreadable]: true }).length, 2);
  check([1, [2, [3, [4]]]].flat(Infinity), [1, 2, 3, 4]);
  check([1, [2, [3]]].flat(), [1, 2, [3]]);
  check([1, 2, 3].lastIndexOf(3), 2);
  check([1, 2, 3].reduce((a, b) => a + b), 6);
  throws(() => [].reduce((a) => a), 'TypeError');
  check([3, 4].splice(0).length + [1].splice().length, 2);
  check(Array.from('ab', (c) => c + c), ['aa', 'bb']);
  check(Array.from(new Map([[1, 2]])), [[1, 2]]);
  check(Array.from({ length: 2 }, (_, i) => i), [0, 1]);
  check(Array.from({ *[Symbol.iterator]() { yield 7; } }), [7]);
  class List extends Array {}
  check([List.from([1]) instanceof List, new List(1, 2).map((x) => x) instanceof List], [true, true]);
  check([...Uint8Array.from([1, 2], (x) => x * 2)], [2, 4]);
  check(String.raw`a\n${1}`, 'a\\n1');
  check('a-b'.split('-'), ['a', 'b']);
  check('aaa'.replace(/a/g, (m, at) => at), '012');
  check(['a1b'.match('[0-9]')[0], 'abc'.search('c'), [...'aa'.matchAll('a')].length], ['1', 2, 2]);
  check(Object.keys('ab'), ['0', '1']);
  const p = new Proxy({ a: 1 }, { get: () => 5 });
  check([p.a, Proxy.name, Proxy.length, 'prototype' in Proxy], [5, 'Proxy', 2, false]);
  throws(() => Proxy({}, {}), 'TypeError');
  const watched = new Proxy([3, 1, 2], {});
  check([watched.sort().join(), watched.includes(2), watched.concat([1]).length], ['1,2,3', true, 4]);
  check(typeof Proxy.revocable({}, {}).revoke, 'function');
});
