import { describe, expect, test } from 'vitest';
import { isBindable, parseUrlAddress, parseUrlList } from '../../../src/config/url-address.ts';

describe('one URL', () => {
  test.each([
    ['http://127.0.0.1:2379', { kind: 'tcp', secure: false, host: '127.0.0.1', port: 2379 }],
    ['https://example.com:1', { kind: 'tcp', secure: true, host: 'example.com', port: 1 }],
    ['http://[::1]:2379', { kind: 'tcp', secure: false, host: '::1', port: 2379 }],
    ['http://:2379', { kind: 'tcp', secure: false, host: '', port: 2379 }],
    ['http://localhost:0', { kind: 'tcp', secure: false, host: 'localhost', port: 0 }],
    ['unix:///run/etcd.sock', { kind: 'unix', secure: false, path: '/run/etcd.sock' }],
    ['unixs://localhost:2379', { kind: 'unix', secure: true, path: 'localhost:2379' }],
  ])('%s', (text, address) => expect(parseUrlAddress(text)).toEqual({ text, ...address }));

  test('the scheme in any case, spaces around', () => {
    expect(parseUrlAddress(' HTTP://LocalHost:2379 ').text).toBe('http://LocalHost:2379');
  });

  test.each([
    ['', 'must start with http://'],
    ['foo', 'must start with http://'],
    ['ftp://127.0.0.1:2379', 'must start with http://'],
    ['127.0.0.1:2379', 'must start with http://'],
    ['localhost:2379', 'must start with http://'],
    ['http:/localhost:2379', 'must start with http://'],
    ['http://127.0.0.1', 'form scheme://host:port'],
    ['http://::1:2379', 'form scheme://host:port'],
    ['http://[::1:2379', 'form scheme://host:port'],
    ['http://user@host:2379', 'form scheme://host:port'],
    ['http://a b:2379', 'form scheme://host:port'],
    ['http://127.0.0.1:2379/', 'nothing may follow the port'],
    ['http://127.0.0.1:2379/path', 'nothing may follow the port'],
    ['http://127.0.0.1:2379?x=1', 'nothing may follow the port'],
    ['http://127.0.0.1:', 'port must be a number'],
    ['http://127.0.0.1:65536', 'port must be a number'],
    ['http://127.0.0.1:abc', 'form scheme://host:port'],
    ['unix://', 'path of the socket is missing'],
  ])('%j is none', (text, problem) => expect(() => parseUrlAddress(text)).toThrow(problem));
});

describe('lists', () => {
  test('sorted, each once', () => {
    const list = parseUrlList('http://b:1, http://a:2,http://b:1,HTTP://a:2');
    expect(list.map((url) => url.text)).toEqual(['http://a:2', 'http://b:1']);
  });

  test('empty text is an empty list', () => expect(parseUrlList('')).toEqual([]));

  test('the wrong one is named', () => {
    expect(() => parseUrlList('http://a:1,b')).toThrow('"b": it must start with');
    expect(() => parseUrlList('http://a:1,')).toThrow('"": it must start with');
  });
});

test.each([
  ['http://127.0.0.1:1', true],
  ['http://0.0.0.0:1', true],
  ['http://[::]:1', true],
  ['http://localhost:1', true],
  ['unix://anything', true],
  ['http://example.com:1', false],
  ['http://:1', false],
  ['http://LOCALHOST:1', false],
  ['http://1.2.3:1', false],
])('one can listen on %s: %s', (text, bindable) => expect(isBindable(parseUrlAddress(text))).toBe(bindable));
