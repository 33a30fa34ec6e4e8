const collect = async (stream) => {
  const all = [];
  for await (const chunk of stream) all.push(chunk);
  return all;
};

test('reading', async () => {
  let pulls = 0;
  const s = new ReadableStream({
    start(c) { c.enqueue('a'); },
    pull(c) {
      pulls += 1;
      if (pulls === 3) c.close();
      else c.enqueue(pulls);
    },
  });
  check(s.locked, false);
  const r = s.getReader();
  check(s.locked, true);
  throws(() => s.getReader(), 'TypeError');
  check(await r.read(), { value: 'a', done: false });
  check(await r.read(), { value: 1, done: false });
  check(await r.read(), { value: 2, done: false });
  check((await r.read()).done, true);
  check(await r.closed, undefined);
  r.releaseLock();
  check(s.locked, false);
  await rejects(r.read(), 'TypeError');
  await rejects(r.closed, 'TypeError');
  check(await collect(ReadableStream.from([1, Promise.resolve(2), 3])), [1, 2, 3]);
  check(await collect(ReadableStream.from((async function* () { yield 'x'; yield 'y'; })())), ['x', 'y']);
  throws(() => ReadableStream.from(null), 'TypeError');
  throws(() => new ReadableStream({ type: 'nope' }), 'TypeError');
  throws(() => new ReadableStream({}, { highWaterMark: -1 }), 'RangeError');
  throws(() => new ReadableStream({ start() { throw new RangeError('start'); } }), 'RangeError');
  throws(() => new ReadableStreamDefaultController(), 'TypeError');
});

test('backpressure and sizes', async () => {
  let c;
  let pulls = 0;
  const s = new ReadableStream({ start(controller) { c = controller; }, pull() { pulls += 1; } }, { highWaterMark: 3, size: (x) => x });
  await undefined; await undefined;
  check([c.desiredSize, pulls], [3, 1]);
  c.enqueue(4);
  check(c.desiredSize, -1);
  const r = s.getReader();
  check((await r.read()).value, 4);
  check(c.desiredSize, 3);
  throws(() => c.enqueue(-1), 'RangeError');
  await rejects(r.read(), 'RangeError');
  check(c.desiredSize, null);
});

test('errors and cancel', async () => {
  const s = new ReadableStream({ pull(c) { c.error(new RangeError('bad')); } }, { highWaterMark: 0 });
  const r = s.getReader();
  await rejects(r.read(), 'RangeError');
  await rejects(r.closed, 'RangeError');
  let why;
  const t = new ReadableStream({ cancel(reason) { why = reason; } });
  check(await t.cancel('enough'), undefined);
  check(why, 'enough');
  check((await t.getReader().read()).done, true);
  await rejects(new ReadableStream({ cancel() { throw new RangeError('no'); } }).cancel(), 'RangeError');
  const u = new ReadableStream({ start(c) { c.enqueue(1); }, cancel(reason) { why = reason; } });
  for await (const chunk of u) { check(chunk, 1); break; }
  check(why, undefined);
  check(u.locked, false);
  const v = new ReadableStream();
  const reader = v.getReader();
  const pending = reader.read();
  reader.releaseLock();
  await rejects(pending, 'TypeError');
  await rejects(ReadableStream.prototype.cancel.call({}), 'TypeError');
});

test('tee', async () => {
  const [a, b] = ReadableStream.from([1, 2, 3]).tee();
  check([await collect(a), await collect(b)], [[1, 2, 3], [1, 2, 3]]);
  let why;
  const [c, d] = new ReadableStream({ cancel(reason) { why = reason; } }).tee();
  const first = c.cancel('c');
  await d.cancel('d');
  await first;
  check(why, ['c', 'd']);
  const [e, f] = new ReadableStream({ pull(k) { k.error(new RangeError('x')); } }).tee();
  await rejects(e.getReader().read(), 'RangeError');
  await rejects(f.getReader().read(), 'RangeError');
});

test('byte streams', async () => {
  const source = new Uint8Array([1, 2]);
  const s = new ReadableStream({ type: 'bytes', pull(c) { c.enqueue(source); c.close(); } });
  check(await collect(s), [{ 0: 1, 1: 2 }]);
  check(source.buffer.detached, true);
  throws(() => s.getReader({ mode: 'byob' }), 'TypeError');
});

test('writing', async () => {
  const log = [];
  const w = new WritableStream({
    start() { log.push('start'); },
    write(chunk) { log.push(chunk); },
    close() { log.push('close'); },
  });
  const writer = w.getWriter();
  check([w.locked, writer.desiredSize], [true, 1]);
  writer.write('a');
  check(writer.desiredSize, 0);
  await writer.ready;
  await writer.write('b');
  await writer.close();
  check(log, ['start', 'a', 'b', 'close']);
  check(await writer.closed, undefined);
  await rejects(writer.write('c'), 'TypeError');
  writer.releaseLock();
  await rejects(w.close(), 'TypeError');
  const bad = new WritableStream({ write() { throw new RangeError('full'); } });
  const bw = bad.getWriter();
  await rejects(bw.write(1), 'RangeError');
  await rejects(bw.closed, 'RangeError');
  await rejects(bw.ready, 'RangeError');
  await rejects(bw.write(2), 'RangeError');
  let why;
  const ab = new WritableStream({ abort(reason) { why = reason; } });
  await ab.abort('stop');
  check(why, 'stop');
  await rejects(ab.getWriter().closed, undefined, 'closed after abort');
  let signalled;
  const slow = new WritableStream({ write(chunk, c) { return new Promise((resolve) => { c.signal.onabort = () => { signalled = c.signal.reason; resolve(); }; }); } });
  const sw = slow.getWriter();
  const pending = sw.write(1);
  await undefined; await undefined; await undefined;
  await sw.abort('why');
  await pending;
  check(signalled, 'why');
});

test('pipes', async () => {
  const out = [];
  const sink = () => new WritableStream({ write(chunk) { out.push(chunk); }, close() { out.push('end'); }, abort(r) { out.push(['abort', r]); } });
  await ReadableStream.from([1, 2]).pipeTo(sink());
  check(out, [1, 2, 'end']);
  out.length = 0;
  await rejects(new ReadableStream({ pull(c) { c.error(new RangeError('src')); } }).pipeTo(sink()), 'RangeError');
  check(out[0][0], 'abort');
  let why;
  await rejects(new ReadableStream({ pull(c) { c.enqueue(1); }, cancel(r) { why = r; } })
    .pipeTo(new WritableStream({ write() { throw new RangeError('dst'); } })), 'RangeError');
  check(why.name, 'RangeError');
  const c = new AbortController();
  const p = new ReadableStream({ cancel(r) { why = r; } }).pipeTo(sink(), { signal: c.signal });
  c.abort();
  await rejects(p, 'AbortError');
  check(why.name, 'AbortError');
  out.length = 0;
  await ReadableStream.from([1]).pipeTo(sink(), { preventClose: true });
  check(out, [1]);
  const locked = new ReadableStream();
  locked.getReader();
  await rejects(locked.pipeTo(sink()), 'TypeError');
  await rejects(new ReadableStream().pipeTo({}), 'TypeError');
});

test('transforms', async () => {
  const double = () => new TransformStream({
    transform(chunk, c) { c.enqueue(chunk); c.enqueue(chunk); },
    flush(c) { c.enqueue('end'); },
  });
  check(await collect(ReadableStream.from([1, 2]).pipeThrough(double())), [1, 1, 2, 2, 'end']);
  check(await collect(ReadableStream.from([1, 2]).pipeThrough(new TransformStream())), [1, 2]);
  const bad = ReadableStream.from([1]).pipeThrough(new TransformStream({ transform() { throw new RangeError('t'); } }));
  await rejects(collect(bad), 'RangeError');
  const cut = ReadableStream.from([1, 2, 3]).pipeThrough(new TransformStream({
    transform(chunk, c) { c.enqueue(chunk); c.terminate(); },
  }));
  check(await collect(cut), [1]);
  const bytes = await collect(ReadableStream.from(['a\ud83d', '\ude00']).pipeThrough(new TextEncoderStream()));
  check(bytes.map((b) => [...b]), [[97], [240, 159, 152, 128]]);
  const text = await collect(ReadableStream.from([new Uint8Array([0xe2, 0x82]), new Uint8Array([0xac, 97])])
    .pipeThrough(new TextDecoderStream()));
  check(text.join(''), '€a');
  await rejects(collect(ReadableStream.from([new Uint8Array([0xff])]).pipeThrough(new TextDecoderStream('utf-8', { fatal: true }))), 'TypeError');
  const t = new TransformStream();
  const w = t.writable.getWriter();
  const writing = w.write('x');
  check(await t.readable.getReader().read(), { value: 'x', done: false });
  await writing;
  check(new CountQueuingStrategy({ highWaterMark: 5 }).size(), 1);
  check(new ByteLengthQueuingStrategy({ highWaterMark: 5 }).size(new Uint8Array(7)), 7);
  check(new CountQueuingStrategy({ highWaterMark: 5 }).highWaterMark, 5);
});

test('a long pipe does not grow the stack', async () => {
  let n = 0;
  const s = new ReadableStream({ pull(c) { n += 1; if (n > 20000) c.close(); else c.enqueue(n); } });
  let sum = 0;
  await s.pipeThrough(new TransformStream()).pipeTo(new WritableStream({ write(x) { sum += x; } }));
  check(sum, 200010000);
});
