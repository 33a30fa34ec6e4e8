test('parts of a URL', () => {
  const u = new URL('https://user:pa%20ss@EXAMPLE.com:8080/a/./b/../c%7E?q=1&r=ä#frag ment');
  check(u.href, 'https://user:pa%20ss@example.com:8080/a/c%7E?q=1&r=%C3%A4#frag%20ment');
  check(u.protocol, 'https:');
  check(u.username, 'user');
  check(u.password, 'pa%20ss');
  check(u.host, 'example.com:8080');
  check(u.hostname, 'example.com');
  check(u.port, '8080');
  check(u.pathname, '/a/c%7E');
  check(u.search, '?q=1&r=%C3%A4');
  check(u.hash, '#frag%20ment');
  check(u.origin, 'https://example.com:8080');
  check(String(u), u.href);
  check(JSON.stringify({ u }), JSON.stringify({ u: u.href }));
});

test('parsing', () => {
  for (const [input, base, expected] of [
    ['http://example.com', undefined, 'http://example.com/'],
    ['HTTP://EXAMPLE.COM:80/', undefined, 'http://example.com/'],
    ['https://example.com:443', undefined, 'https://example.com/'],
    ['http://ex.com/%2e%2E/a', undefined, 'http://ex.com/a'],
    ['  http://ex.com/a b\t\n ', undefined, 'http://ex.com/a%20b'],
    ['http:\\\\ex.com\\a', undefined, 'http://ex.com/a'],
    ['//other/x', 'https://ex.com/a/b', 'https://other/x'],
    ['../c?d#e', 'https://ex.com/a/b/', 'https://ex.com/a/c?d#e'],
    ['?q', 'https://ex.com/a?b#c', 'https://ex.com/a?q'],
    ['#h', 'https://ex.com/a?b#c', 'https://ex.com/a?b#h'],
    ['', 'https://ex.com/a?b#c', 'https://ex.com/a?b'],
    ['/x', 'file:///C:/a/b', 'file:///C:/x'],
    ['http://127.1/', undefined, 'http://127.0.0.1/'],
    ['http://0x7f.0.0.1/', undefined, 'http://127.0.0.1/'],
    ['http://017700000001/', undefined, 'http://127.0.0.1/'],
    ['http://2130706433/', undefined, 'http://127.0.0.1/'],
    ['http://[::1]:80/', undefined, 'http://[::1]/'],
    ['http://[0:0::ffff:169.254.169.254]/', undefined, 'http://[::ffff:a9fe:a9fe]/'],
    ['http://münchen.de/ß', undefined, 'http://xn--mnchen-3ya.de/%C3%9F'],
    ['http://a%62c.com/', undefined, 'http://abc.com/'],
    ['mailto:a@b.c', undefined, 'mailto:a@b.c'],
    ['data:text/plain,a b#c', undefined, 'data:text/plain,a b#c'],
    ['javascript:alert(1)', undefined, 'javascript:alert(1)'],
    ['non-special://host:80/a/../b', undefined, 'non-special://host:80/b'],
    ['blob:https://ex.com/x', undefined, 'blob:https://ex.com/x'],
    ['http://ex.com/\ud800', undefined, 'http://ex.com/%EF%BF%BD'],
    ['http://', undefined, null],
    ['http://a b/', undefined, null],
    ['http://ex.com:99999/', undefined, null],
    ['http://[::1', undefined, null],
    ['http://256.256.256.256/', undefined, null],
    ['/relative', undefined, null],
    ['x', 'mailto:a', null],
    ['http://a%00b/', undefined, null],
    ['http://ex<am.com/', undefined, null],
  ]) {
    check(URL.canParse(input, base), expected !== null, input);
    check(URL.parse(input, base)?.href ?? null, expected, input);
    if (expected === null) throws(() => new URL(input, base), 'TypeError', input);
    else check(new URL(input, base).href, expected, input);
  }
  throws(() => new URL(), 'TypeError');
  throws(() => URL('http://a'), 'TypeError');
  throws(() => new URL(Symbol('x')), 'TypeError');
  throws(() => Reflect.get(URL.prototype, 'href', {}), 'TypeError');
  check(new URL('blob:https://ex.com/x').origin, 'https://ex.com');
  check(new URL('data:x').origin, 'null');
  check(new URL('file:///a').origin, 'null');
});

test('setters', () => {
  for (const [start, property, value, expected] of [
    ['https://ex.com/', 'protocol', 'http', 'http://ex.com/'],
    ['https://ex.com/', 'protocol', 'foo', 'https://ex.com/'],
    ['https://ex.com/', 'username', 'a b', 'https://a%20b@ex.com/'],
    ['https://u@ex.com/', 'password', 'p:w', 'https://u:p%3Aw@ex.com/'],
    ['https://ex.com/', 'host', 'other:81', 'https://other:81/'],
    ['https://ex.com:81/', 'hostname', 'other:82', 'https://ex.com:81/'],
    ['https://ex.com:81/', 'hostname', 'other', 'https://other:81/'],
    ['https://ex.com:81/', 'port', '', 'https://ex.com/'],
    ['https://ex.com/', 'port', '443', 'https://ex.com/'],
    ['https://ex.com/', 'port', '99999', 'https://ex.com/'],
    ['https://ex.com/', 'port', '80abc', 'https://ex.com:80/'],
    ['https://ex.com/', 'pathname', 'a/../b c', 'https://ex.com/b%20c'],
    ['https://ex.com/?a', 'search', '', 'https://ex.com/'],
    ['https://ex.com/', 'search', '?x=1#', 'https://ex.com/?x=1%23'],
    ['https://ex.com/#a', 'hash', '', 'https://ex.com/'],
    ['https://ex.com/', 'hash', 'b', 'https://ex.com/#b'],
    ['mailto:a', 'host', 'x', 'mailto:a'],
    ['mailto:a', 'pathname', 'x', 'mailto:a'],
    ['https://ex.com/', 'href', 'http://b/', 'http://b/'],
    ['https://ex.com/', 'origin', 'x', 'TypeError'],
  ]) {
    const url = new URL(start);
    let result;
    try {
      (() => { 'use strict'; url[property] = value; })();
      result = url.href;
    } catch (error) {
      result = error.name;
    }
    check(result, expected, `${start} ${property} = ${value}`);
  }
  throws(() => { new URL('http://a').href = 'x'; }, 'TypeError');
});

test('URLSearchParams', () => {
  check(new URLSearchParams('?a=1&b=2&a=3').getAll('a'), ['1', '3']);
  check(String(new URLSearchParams('a=b+c%20d&e')), 'a=b+c+d&e=');
  check(String(new URLSearchParams({ a: 1, b: 'ä&=' })), 'a=1&b=%C3%A4%26%3D');
  check(String(new URLSearchParams([['x', 'y'], new Set(['z', 'w'])])), 'x=y&z=w');
  check(String(new URLSearchParams(new URLSearchParams('q=1'))), 'q=1');
  check(String(new URLSearchParams(new Map([['m', 'n']]))), 'm=n');
  check(String(new URLSearchParams("*-._~!'()")), '*-._%7E%21%27%28%29=');
  check(new URLSearchParams('%zz=%').get('%zz'), '%');
  check(new URLSearchParams('a=%ff').get('a'), '\ufffd');
  check(new URLSearchParams('\ufeffa=1').has('\ufeffa'), true);
  throws(() => new URLSearchParams([['a']]), 'TypeError');
  throws(() => new URLSearchParams([1]), 'TypeError');
  throws(() => new URLSearchParams().get(), 'TypeError');
  const p = new URLSearchParams('b=2&a=1&b=1');
  p.append('c', 3);
  p.sort();
  check([...p], [['a', '1'], ['b', '2'], ['b', '1'], ['c', '3']]);
  check(p.size, 4);
  p.delete('b', '2');
  check(String(p), 'a=1&b=1&c=3');
  check(p.has('b', '1'), true);
  check(p.has('b', '2'), false);
  p.set('b', 9);
  p.set('d', 4);
  check([...p.keys()].join() + [...p.values()].join(), 'a,b,c,d1,9,3,4');
  check(p.get('nope'), null);
  const seen = [];
  p.forEach((value, key) => seen.push(key + value));
  check(seen, ['a1', 'b9', 'c3', 'd4']);
  check(Object.prototype.toString.call(p.entries()), '[object URLSearchParams Iterator]');
  // Surrogates sort by code unit, not by code point.
  const s = new URLSearchParams('ﬃ=1&🌈=2');
  s.sort();
  check([...s.keys()], ['🌈', 'ﬃ']);
});

test('the parameters of a URL are live in both directions', () => {
  const u = new URL('https://ex.com/?a=1#h');
  const p = u.searchParams;
  check(p === u.searchParams, true);
  p.append('b', 'x y');
  check(u.href, 'https://ex.com/?a=1&b=x+y#h');
  u.search = '?z=9';
  check(String(p), 'z=9');
  u.href = 'https://ex.com/?k=v';
  check(p.get('k'), 'v');
  p.delete('k');
  check(u.href, 'https://ex.com/');
});
