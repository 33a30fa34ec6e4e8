const hex = (buffer) => [...new Uint8Array(buffer)].map((b) => b.toString(16).padStart(2, '0')).join('');
const utf8 = (text) => new TextEncoder().encode(text);

test('random values', () => {
  const a = new Uint8Array(32);
  check(crypto.getRandomValues(a) === a, true);
  check(a.some((b) => b !== 0), true);
  const part = new Uint32Array(8).subarray(4);
  crypto.getRandomValues(part);
  check([...new Uint32Array(part.buffer, 0, 4)], [0, 0, 0, 0]);
  throws(() => crypto.getRandomValues(new Float32Array(1)), 'TypeMismatchError');
  throws(() => crypto.getRandomValues(new DataView(new ArrayBuffer(1))), 'TypeMismatchError');
  throws(() => crypto.getRandomValues([1]), 'TypeError');
  throws(() => crypto.getRandomValues(new Uint8Array(65537)), 'QuotaExceededError');
  check(crypto.getRandomValues(new Uint8Array(65536)).length, 65536);
  check(/^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/.test(crypto.randomUUID()), true);
  check(crypto.randomUUID() !== crypto.randomUUID(), true);
  throws(() => new Crypto(), 'TypeError');
});

// FIPS 180-4 examples.
test('digest', async () => {
  for (const [name, text, expected] of [
    ['SHA-1', 'abc', 'a9993e364706816aba3e25717850c26c9cd0d89d'],
    ['SHA-256', 'abc', 'ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad'],
    ['SHA-256', '', 'e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855'],
    ['sha-384', 'abc', 'cb00753f45a35e8bb5a03d699ac65007272c32ab0eded1631a8b605a43ff5bed8086072ba1e7cc2358baeca134c825a7'],
    ['SHA-512', 'abc', 'ddaf35a193617abacc417349ae20413112e6fa4e89a97ea20a9eeee64b55d39a2192992a274fc1a836ba3c23a3feebbd454d4423643ce80e2a9ac94fa54ca49f'],
  ]) {
    check(hex(await crypto.subtle.digest(name, utf8(text))), expected, name);
    check(hex(await crypto.subtle.digest({ name }, utf8(text).buffer)), expected, name);
  }
  await rejects(crypto.subtle.digest('MD5', utf8('a')), 'NotSupportedError');
  await rejects(crypto.subtle.digest({}, utf8('a')), 'TypeError');
  await rejects(crypto.subtle.digest('SHA-1', 'a'), 'TypeError');
  await rejects(crypto.subtle.encrypt('AES-GCM', {}, utf8('a')), 'NotSupportedError');
});

// RFC 4231 test cases 1, 2 and 6; RFC 2202 for SHA-1.
test('HMAC', async () => {
  for (const [hash, key, data, expected] of [
    ['SHA-256', new Uint8Array(20).fill(0x0b), 'Hi There', 'b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7'],
    ['SHA-256', utf8('Jefe'), 'what do ya want for nothing?', '5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843'],
    ['SHA-256', new Uint8Array(131).fill(0xaa), 'Test Using Larger Than Block-Size Key - Hash Key First', '60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54'],
    ['SHA-384', utf8('Jefe'), 'what do ya want for nothing?', 'af45d2e376484031617f78d2b58a6b1b9c7ef464f5a01b47e42ec3736322445e8e2240ca5e69e2c78b3239ecfab21649'],
    ['SHA-512', utf8('Jefe'), 'what do ya want for nothing?', '164b7a7bfcf819e2e395fbe73b56e0a387bd64222e831fd610270cd7ea2505549758bf75c05a994a6d034f65f8f0e6fdcaeab1a34d4a6b4b636e070a38bce737'],
    ['SHA-1', utf8('Jefe'), 'what do ya want for nothing?', 'effcdf6ae5eb2fa2d27416d5f184df9c259a7c79'],
  ]) {
    const k = await crypto.subtle.importKey('raw', key, { name: 'HMAC', hash }, false, ['sign', 'verify']);
    const code = await crypto.subtle.sign('HMAC', k, utf8(data));
    check(hex(code), expected, hash);
    check(await crypto.subtle.verify('HMAC', k, code, utf8(data)), true);
    check(await crypto.subtle.verify('HMAC', k, code, utf8(`${data}!`)), false);
    check(await crypto.subtle.verify('HMAC', k, code.slice(1), utf8(data)), false);
    check(await crypto.subtle.verify('HMAC', k, new Uint8Array(0), utf8(data)), false);
  }
});

test('keys', async () => {
  const { subtle } = crypto;
  const hmac = { name: 'hmac', hash: { name: 'sha-256' } };
  const k = await subtle.generateKey(hmac, true, ['sign', 'verify', 'sign']);
  check([k.type, k.extractable, k.usages, k.algorithm], ['secret', true, ['sign', 'verify'], { name: 'HMAC', hash: { name: 'SHA-256' }, length: 512 }]);
  const jwk = await subtle.exportKey('jwk', k);
  check([jwk.kty, jwk.alg, jwk.ext, /^[\w-]{86}$/.test(jwk.k)], ['oct', 'HS256', true, true]);
  const again = await subtle.importKey('jwk', jwk, hmac, false, ['verify']);
  const code = await subtle.sign('HMAC', k, utf8('x'));
  check(await subtle.verify('HMAC', again, code, utf8('x')), true);
  await rejects(subtle.sign('HMAC', again, utf8('x')), 'InvalidAccessError');
  await rejects(subtle.exportKey('raw', again), 'InvalidAccessError');
  await rejects(subtle.importKey('raw', new Uint8Array(0), hmac, true, ['sign']), 'DataError');
  await rejects(subtle.importKey('raw', utf8('k'), hmac, true, []), 'SyntaxError');
  await rejects(subtle.importKey('raw', utf8('k'), hmac, true, ['encrypt']), 'SyntaxError');
  await rejects(subtle.importKey('raw', utf8('k'), hmac, true, ['dance']), 'TypeError');
  await rejects(subtle.importKey('raw', utf8('k'), 'AES-GCM', true, ['sign']), 'NotSupportedError');
  await rejects(subtle.importKey('spki', utf8('k'), hmac, true, ['sign']), 'NotSupportedError');
  await rejects(subtle.sign('HMAC', {}, utf8('x')), 'TypeError');
  const copy = structuredClone({ k }).k;
  check(hex(await subtle.sign('HMAC', copy, utf8('x'))), hex(code));
  check(Object.keys(k), []);
});
