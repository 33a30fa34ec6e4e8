const bytes = (...list) => new Uint8Array(list);

test('TextEncoder', () => {
  const e = new TextEncoder();
  check(e.encoding, 'utf-8');
  check([...e.encode('aä€😀')], [97, 195, 164, 226, 130, 172, 240, 159, 152, 128]);
  check([...e.encode('\ud800x\udc00')], [239, 191, 189, 120, 239, 191, 189]);
  check(e.encode().length, 0);
  check(e.encode(undefined).length, 0);
  check(new TextDecoder().decode(e.encode(null)), 'null');
  const into = new Uint8Array(5);
  check(e.encodeInto('a€😀', into), { read: 2, written: 4 });
  check([...into], [97, 226, 130, 172, 0]);
  check(e.encodeInto('😀', new Uint8Array(4)), { read: 2, written: 4 });
  check(e.encodeInto('', into), { read: 0, written: 0 });
  const part = new Uint8Array(8);
  e.encodeInto('xy', part.subarray(3));
  check([...part], [0, 0, 0, 120, 121, 0, 0, 0]);
  throws(() => e.encodeInto('a', new Uint16Array(2)), 'TypeError');
  throws(() => TextEncoder.prototype.encode.call({}, 'a'), 'TypeError');
});

test('labels', () => {
  for (const [label, name] of [
    ['utf8', 'utf-8'], [' UTF-8\n', 'utf-8'], ['unicode-1-1-utf-8', 'utf-8'], ['latin1', 'windows-1252'],
    ['ascii', 'windows-1252'], ['iso-8859-1', 'windows-1252'], ['l2', 'iso-8859-2'], ['iso-8859-8-i', 'iso-8859-8-i'],
    ['utf-16', 'utf-16le'], ['utf-16be', 'utf-16be'], ['shift-jis', 'shift_jis'], ['gb2312', 'gbk'],
    ['gb18030', 'gb18030'], ['big5-hkscs', 'big5'], ['euc-kr', 'euc-kr'], ['korean', 'euc-kr'],
    ['iso-2022-jp', 'iso-2022-jp'], ['x-user-defined', 'x-user-defined'], ['koi8-u', 'koi8-u'],
    ['macintosh', 'macintosh'], ['x-mac-cyrillic', 'x-mac-cyrillic'], ['cp866', 'ibm866'],
  ]) check(new TextDecoder(label).encoding, name, label);
  for (const label of ['', 'utf-7', 'nope', 'iso-2022-kr', 'hz-gb-2312', 'replacement', 'utf-8\0']) {
    throws(() => new TextDecoder(label), 'RangeError', JSON.stringify(label));
  }
});

test('decoding at once', () => {
  for (const [label, input, expected] of [
    ['utf-8', [0xef, 0xbb, 0xbf, 0x61], 'a'],
    ['utf-8', [0xef, 0xbb, 0xbf, 0xef, 0xbb, 0xbf], '\ufeff'],
    ['utf-8', [0xf0, 0x9f, 0x98], '\ufffd'],
    ['utf-8', [0xc0, 0x80], '\ufffd\ufffd'],
    ['utf-8', [0xe0, 0x80, 0x80], '\ufffd\ufffd\ufffd'],
    ['utf-8', [0xed, 0xa0, 0x80], '\ufffd\ufffd\ufffd'],
    ['utf-8', [0xf4, 0x90, 0x80, 0x80], '\ufffd\ufffd\ufffd\ufffd'],
    ['utf-16le', [0x3d, 0xd8, 0x00, 0xde], '😀'],
    ['utf-16le', [0xff, 0xfe, 0x61, 0], 'a'],
    ['utf-16le', [0x61, 0, 0x62], 'a\ufffd'],
    ['utf-16be', [0xfe, 0xff, 0, 0x61], 'a'],
    ['utf-16be', [0xd8, 0x3d], '\ufffd'],
    ['windows-1252', [0x80, 0xe4], '€ä'],
    ['shift_jis', [0x93, 0xfa, 0x96, 0x7b], '日本'],
    ['euc-jp', [0xc6, 0xfc], '日'],
    ['iso-2022-jp', [0x1b, 0x24, 0x42, 0x46, 0x7c, 0x1b, 0x28, 0x42, 0x61], '日a'],
    ['gb18030', [0x81, 0x30, 0x81, 0x30], '\u0080'],
    ['big5', [0xa4, 0xe9], '日'],
    ['euc-kr', [0xc0, 0xcf], '일'],
    ['koi8-r', [0xc1], 'а'],
    ['x-user-defined', [0x80], '\uf780'],
  ]) check(new TextDecoder(label).decode(bytes(...input)), expected, label);
  check(new TextDecoder('utf-8', { ignoreBOM: true }).decode(bytes(0xef, 0xbb, 0xbf, 0x61)), '\ufeffa');
  check(new TextDecoder().decode(), '');
  check(new TextDecoder().decode(bytes(97, 98).buffer), 'ab');
  check(new TextDecoder().decode(new DataView(bytes(97, 98, 99).buffer, 1)), 'bc');
  check(new TextDecoder().decode(new Uint16Array([0x6261])), 'ab');
  check(new TextDecoder().decode(bytes(97, 98, 99).subarray(1, 2)), 'b');
  throws(() => new TextDecoder('utf-8', { fatal: true }).decode(bytes(0xff)), 'TypeError');
  throws(() => new TextDecoder('utf-16le', { fatal: true }).decode(bytes(0)), 'TypeError');
  throws(() => new TextDecoder('euc-jp', { fatal: true }).decode(bytes(0xff)), 'TypeError');
  throws(() => new TextDecoder().decode('a'), 'TypeError');
  const d = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });
  check([d.fatal, d.ignoreBOM], [true, true]);
});

test('decoding a stream gives what decoding at once gives, wherever it is cut', () => {
  for (const [label, input] of [
    ['utf-8', [0xef, 0xbb, 0xbf, 0x61, 0xf0, 0x9f, 0x98, 0x80, 0xe2, 0x82, 0xe0, 0x80, 0xf0, 0x9f, 0x62, 0xc3]],
    ['utf-16le', [0xff, 0xfe, 0x3d, 0xd8, 0x00, 0xde, 0x3d, 0xd8, 0x61, 0x00, 0x62]],
    ['utf-16be', [0xd8, 0x3d, 0xde, 0x00, 0x00, 0x61, 0xd8]],
    ['shift_jis', [0x93, 0xfa, 0x61, 0x96, 0x7b]],
    ['iso-2022-jp', [0x1b, 0x24, 0x42, 0x46, 0x7c, 0x46, 0x7c, 0x1b, 0x28, 0x42, 0x61]],
    ['gb18030', [0x61, 0x81, 0x30, 0x81, 0x30, 0xc4, 0xe3]],
    ['windows-1252', [0x80, 0xe4]],
  ]) {
    const whole = new TextDecoder(label).decode(bytes(...input));
    for (let cut = 0; cut <= input.length; cut++) {
      for (let second = cut; second <= input.length; second++) {
        const d = new TextDecoder(label);
        const text = d.decode(bytes(...input.slice(0, cut)), { stream: true }) +
          d.decode(bytes(...input.slice(cut, second)), { stream: true }) + d.decode(bytes(...input.slice(second)));
        check(text, whole, `${label} cut at ${cut} and ${second}`);
        check(d.decode(bytes(0x61, 0x61)), new TextDecoder(label).decode(bytes(0x61, 0x61)), 'used again');
      }
    }
  }
  const d = new TextDecoder('utf-8', { fatal: true });
  check(d.decode(bytes(0xe2), { stream: true }), '');
  throws(() => d.decode(), 'TypeError', 'an unfinished character at the end');
  check(d.decode(bytes(0x61)), 'a', 'usable after a failure');
});

test('base64', () => {
  check(btoa(''), '');
  check(btoa('a\xff'), 'Yf8=');
  check(atob('Yf8='), 'a\xff');
  check(atob(' Y f8 \n'), 'a\xff');
  check(atob('YQ'), 'a');
  check(atob(''), '');
  for (const wrong of ['Y', 'YQ=', '=', 'Y===', 'YQ==Y', 'Y!Q=', 'YQ-_', 'YWFh=', '====']) {
    throws(() => atob(wrong), 'InvalidCharacterError', wrong);
  }
  throws(() => btoa('€'), 'InvalidCharacterError');
  throws(() => atob(), 'TypeError');
  check(btoa(undefined), 'dW5kZWZpbmVk');
  check(atob(btoa(String.fromCharCode(...Array(256).keys()))), String.fromCharCode(...Array(256).keys()));
});
