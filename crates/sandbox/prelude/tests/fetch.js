const utf8 = (text) => new TextEncoder().encode(text);
const base64 = (text) => utf8(text).toBase64();

test('Headers', () => {
  const h = new Headers({ 'Content-Type': ' text/plain\t', B: '1' });
  h.append('b', '2');
  h.append('Set-Cookie', 'x=1');
  h.append('set-cookie', 'y=2');
  check([...h], [['b', '1, 2'], ['content-type', 'text/plain'], ['set-cookie', 'x=1'], ['set-cookie', 'y=2']]);
  check(h.get('B'), '1, 2');
  check(h.get('set-cookie'), 'x=1, y=2');
  check(h.getSetCookie(), ['x=1', 'y=2']);
  h.set('b', '3');
  check([h.get('b'), h.get('none'), h.has('CONTENT-type')], ['3', null, true]);
  h.delete('B');
  check(h.has('b'), false);
  check([...new Headers([['a', 'b'], ['A', 'c']]).entries()], [['a', 'b, c']]);
  check([...new Headers(h).keys()], ['content-type', 'set-cookie', 'set-cookie']);
  for (const bad of ['', 'a b', 'a:', 'ä', 'a\n', '(x)']) throws(() => new Headers([[bad, 'v']]), 'TypeError', bad);
  for (const bad of ['a\nb', 'a\0', '€']) throws(() => new Headers([['a', bad]]), 'TypeError', JSON.stringify(bad));
  check(new Headers([['a', 'ÿ']]).get('a'), 'ÿ');
  throws(() => new Headers([['a']]), 'TypeError');
  throws(() => new Headers(1), 'TypeError');
  throws(() => new Headers(null), 'TypeError');
  const seen = [];
  new Headers({ z: 1, y: 2 }).forEach((value, name) => seen.push(name + value));
  check(seen, ['y2', 'z1']);
});

test('Response', async () => {
  const r = new Response('hé', { status: 201, statusText: 'Made', headers: { x: 'y' } });
  check([r.status, r.ok, r.statusText, r.type, r.url, r.redirected], [201, true, 'Made', 'default', '', false]);
  check(r.headers.get('content-type'), 'text/plain;charset=UTF-8');
  check(r.bodyUsed, false);
  check(await r.text(), 'hé');
  check(r.bodyUsed, true);
  await rejects(r.text(), 'TypeError');
  throws(() => r.clone(), 'TypeError');
  check(await new Response('{"a":[1]}').json(), { a: [1] });
  await rejects(new Response('{').json(), 'SyntaxError');
  check([...new Uint8Array(await new Response(new Uint8Array([1, 2, 3]).subarray(1)).arrayBuffer())], [2, 3]);
  check(await new Response('ab').bytes() instanceof Uint8Array, true);
  check(await new Response(new URLSearchParams('a=b c')).text(), 'a=b+c');
  check(new Response(new URLSearchParams()).headers.get('content-type'), 'application/x-www-form-urlencoded;charset=UTF-8');
  check(await new Response().text(), '');
  check(new Response().body, null);
  check(await new Response('\ufeffx').text(), 'x');
  throws(() => new Response('', { status: 199 }), 'RangeError');
  throws(() => new Response('', { status: 204 }), 'TypeError');
  throws(() => new Response('', { statusText: '\n' }), 'TypeError');
  const j = Response.json({ a: 1 }, { status: 418 });
  check([j.status, j.headers.get('content-type'), await j.text()], [418, 'application/json', '{"a":1}']);
  check(Response.json(1, { headers: { 'content-type': 'x/y' } }).headers.get('content-type'), 'x/y');
  throws(() => Response.json(undefined), 'TypeError');
  check(Response.redirect('http://a/b').headers.get('location'), 'http://a/b');
  throws(() => Response.redirect('http://a', 200), 'RangeError');
  check([Response.error().type, Response.error().status], ['error', 0]);
  throws(() => Response.error().headers.append('a', 'b'), 'TypeError');
});

test('bodies as streams', async () => {
  const r = new Response('stream me');
  const chunks = [];
  for await (const chunk of r.body) chunks.push(...chunk);
  check(String.fromCharCode(...chunks), 'stream me');
  check(r.bodyUsed, true);
  const s = new Response(ReadableStream.from([utf8('a'), utf8('bc')]));
  check(await s.text(), 'abc');
  await rejects(new Response(ReadableStream.from(['text'])).text(), 'TypeError');
  const c = new Response(ReadableStream.from([utf8('twice')]));
  const d = c.clone();
  check([await c.text(), await d.text()], ['twice', 'twice']);
  const e = new Response('plain');
  const f = e.clone();
  check([await e.text(), await f.text()], ['plain', 'plain']);
  const g = new Response('locked');
  g.body.getReader();
  await rejects(g.text(), 'TypeError');
  check(g.bodyUsed, false);
  check(await new Response(new Response('through').body).text(), 'through');
});

test('Blob and File', async () => {
  const b = new Blob(['a', utf8('é'), new Blob(['z']), 5], { type: 'Text/Plain' });
  check([b.size, b.type, await b.text()], [5, 'text/plain', 'aéz5']);
  check(await b.slice(-2, undefined, 'x/y').text(), 'z5');
  check([b.slice(1, 3).size, b.slice(3, 1).size, b.slice(0, 1).type], [2, 0, '']);
  check([...await b.bytes()].length, 5);
  check(await new Response(b.stream()).text(), 'aéz5');
  check(await new Blob(['a\r\nb\rc'], { endings: 'native' }).text(), 'a\nb\nc');
  check(new Blob([], { type: 'é' }).type, '');
  throws(() => new Blob('text'), 'TypeError');
  const f = new File(['x'], 'n.txt', { type: 't/t', lastModified: 7 });
  check([f.name, f.size, f.type, f.lastModified, f instanceof Blob], ['n.txt', 1, 't/t', 7, true]);
  throws(() => new File([]), 'TypeError');
  const copy = structuredClone({ f }).f;
  check([copy instanceof File, copy.name, await copy.text()], [true, 'n.txt', 'x']);
  check(await (await new Response(b).blob()).text(), 'aéz5');
  check((await new Response(b).blob()).type, 'text/plain');
});

test('FormData', async () => {
  const form = new FormData();
  form.append('a', 1);
  form.append('a', 'two');
  form.append('file', new Blob(['content'], { type: 'text/x' }), 'na"me.txt');
  check([form.get('a'), form.getAll('a'), form.has('b'), form.get('b')], ['1', ['1', 'two'], false, null]);
  check(form.get('file').name, 'na"me.txt');
  check([...form.keys()], ['a', 'a', 'file']);
  throws(() => form.append('x', 'y', 'z'), 'TypeError');
  const r = new Response(form);
  const type = r.headers.get('content-type');
  check(/^multipart\/form-data; boundary=/.test(type), true, type);
  const again = await r.formData();
  check([again.getAll('a'), again.get('file').name, again.get('file').type, await again.get('file').text()],
    [['1', 'two'], 'na"me.txt', 'text/x', 'content']);
  form.set('a', 'one');
  form.delete('file');
  check([...form], [['a', 'one']]);
  const query = await new Response(new URLSearchParams('x=1&x=2')).formData();
  check(query.getAll('x'), ['1', '2']);
  check([...await new Response(new FormData()).formData()], []);
  await rejects(new Response('text').formData(), 'TypeError');
  const odd = new FormData();
  odd.append('n\n', 'line\nbreak');
  check((await new Response(odd).formData()).get('n\r\n'), 'line\r\nbreak');
});

test('Request', async () => {
  const r = new Request('HTTP://Ex.com/a', { method: 'post', headers: { a: 'b' }, body: 'x' });
  check([r.url, r.method, r.redirect, r.headers.get('a')], ['http://ex.com/a', 'POST', 'follow', 'b']);
  check(r.headers.get('content-type'), 'text/plain;charset=UTF-8');
  const copy = r.clone();
  const moved = new Request(r, { headers: { c: 'd' } });
  check([r.bodyUsed, moved.headers.get('a'), moved.headers.get('c'), await moved.text(), await copy.text()], [true, null, 'd', 'x', 'x']);
  throws(() => new Request(r), 'TypeError');
  check(new Request('http://a', { method: 'patch' }).method, 'patch');
  for (const [url, init] of [
    ['/relative'], ['http://u:p@a/'], ['http://a', { method: 'CONNECT' }], ['http://a', { method: 'a b' }],
    ['http://a', { body: 'x' }], ['http://a', { redirect: 'sideways' }], ['http://a', { signal: 1 }],
    ['http://a', { method: 'POST', body: new ReadableStream() }],
  ]) throws(() => new Request(url, init), 'TypeError', url + JSON.stringify(init));
  check(new Request('http://a', { method: 'POST', body: new ReadableStream(), duplex: 'half' }).body instanceof ReadableStream, true);
  check(new Request('http://a').signal instanceof AbortSignal, true);
});
