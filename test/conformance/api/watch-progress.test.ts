import { expect, it } from 'vitest';
import { describeTargets } from '../../support/target.ts';
import { under } from '../../support/values.ts';
import { addWatch, openWatch, takeEvents } from '../../support/watch-helpers.ts';

const progress = { progress_request: {} };

describeTargets('watch progress request', (target) => {
  it('is answered with watch_id -1, the current revision and nothing else', async () => {
    const { client } = target();
    const key = target().prefix();
    const { stream } = await openWatch(client, { key });
    const { revision } = (await client.put({ key: `${key}other` })).header;
    stream.send(progress);
    expect(await stream.next()).toMatchObject({
      watch_id: -1n,
      created: false,
      canceled: false,
      compact_revision: 0n,
      events: [],
      header: { revision },
    });
    stream.cancel();
  });

  it('is answered once for all watches of the stream', async () => {
    const { client } = target();
    const key = target().prefix();
    const { stream } = await openWatch(client, { key });
    for (let i = 0; i < 5; i++) await addWatch(stream, { key: `${key}${i}` });
    stream.send(progress);
    expect((await stream.next()).watch_id).toBe(-1n);
    await stream.expectSilence(150);
    stream.cancel();
  });

  it('is not answered on a stream without a watch', async () => {
    const stream = target().client.watch();
    stream.send(progress);
    await stream.expectSilence(250);
    expect((await addWatch(stream, { key: 'k' })).watch_id).toBe(0n);
    stream.send({ cancel_request: { watch_id: 0 } });
    expect((await stream.next()).canceled).toBe(true);
    stream.send(progress);
    await stream.expectSilence(250);
    stream.cancel();
  });

  it('is not answered while a watch waits for a revision to come', async () => {
    const { client } = target();
    const key = target().prefix();
    const { revision } = (await client.put({ key })).header;
    const { stream } = await openWatch(client, { key });
    await addWatch(stream, { key: `${key}future`, start_revision: revision + 2n });
    stream.send(progress);
    await stream.expectSilence(250);
    await client.put({ key: `${key}x` });
    await client.put({ key: `${key}y` });
    stream.send(progress);
    expect(await stream.next()).toMatchObject({ watch_id: -1n, header: { revision: revision + 2n } });
    stream.cancel();
  });

  it('is answered for a watch from history only after that has been sent', async () => {
    const { client } = target();
    const key = target().prefix();
    const first = (await client.put({ key, value: 'first' })).header.revision;
    for (let i = 0; i < 20; i++) {
      await Promise.all(Array.from({ length: 100 }, () => client.put({ key, value: 'x'.repeat(1000) })));
    }
    const { stream } = await openWatch(client, { key, start_revision: first });
    let last = first - 1n;
    let answered = false;
    const asking = setInterval(() => stream.send(progress), 2);
    while (!answered) {
      const response = await stream.next();
      for (const event of response.events) {
        expect(event.kv.mod_revision).toBe(last + 1n);
        last = event.kv.mod_revision;
      }
      if (response.watch_id !== -1n) continue;
      answered = true;
      expect(last).toBe(response.header.revision);
    }
    clearInterval(asking);
    stream.cancel();
  });

  it('never comes before an event at or below its revision', async () => {
    const { client } = target();
    const prefix = target().prefix();
    const { stream } = await openWatch(client, under(prefix));
    await addWatch(stream, under(`${prefix}1`));
    let writing = true;
    const asking = setInterval(() => stream.send(progress), 1);
    const writers = Array.from({ length: 4 }, async (_, w) => {
      for (let i = 0; i < 250; i++) await client.put({ key: `${prefix}${w}`, value: `${i}` });
    });
    const written = Promise.all(writers).finally(() => {
      writing = false;
    });
    let promised = 0n;
    let answers = 0;
    let events = 0;
    while (writing || events < 1250) {
      const response = await stream.next();
      if (response.watch_id === -1n) {
        expect(response.header.revision).toBeGreaterThanOrEqual(promised);
        promised = response.header.revision;
        answers++;
      }
      for (const event of response.events) {
        expect(event.kv.mod_revision).toBeGreaterThan(promised);
        events++;
      }
    }
    clearInterval(asking);
    await written;
    expect(events).toBe(1250);
    expect(answers).toBeGreaterThan(0);
    stream.cancel();
  });
});

describeTargets(
  'watch progress notice',
  (target) => {
    it('comes to a quiet watch that asked for it, with its own id and the current revision', async () => {
      const { client } = target();
      const key = target().prefix();
      const { revision } = (await client.put({ key: `${key}other` })).header;
      const stream = client.watch();
      await addWatch(stream, { key, watch_id: 5 });
      await addWatch(stream, { key, progress_notify: true, watch_id: 4 });
      for (let i = 0; i < 3; i++) {
        expect(await stream.next(2_000)).toMatchObject({
          watch_id: 4n,
          created: false,
          canceled: false,
          events: [],
          header: { revision },
        });
      }
      stream.cancel();
    });

    it('does not come to a watch whose start revision lies ahead', async () => {
      const { client } = target();
      const key = target().prefix();
      const { revision } = (await client.put({ key })).header;
      const { stream } = await openWatch(client, { key, progress_notify: true, start_revision: revision + 10n });
      await stream.expectSilence(500);
      stream.cancel();
    });

    it('comes again when a busy watch falls quiet, and never promises too much', async () => {
      const { client } = target();
      const prefix = target().prefix();
      const { stream } = await openWatch(client, { ...under(prefix), progress_notify: true });
      let promised = 0n;
      let seen = 0;
      let notices = 0;
      const until = Date.now() + 1_000;
      let sent = 0;
      let writing = true;
      const written = (async () => {
        // A notice is not due while there are events, so on a slow machine the first may be late.
        while (Date.now() < until || (notices === 0 && Date.now() < until + 15_000)) {
          await client.put({ key: `${prefix}k`, value: `${sent}` });
          sent++;
          if (sent % 20 === 0) await new Promise((resolve) => setTimeout(resolve, 150));
        }
        writing = false;
      })();
      while (writing || seen < sent) {
        const response = await stream.next(3_000);
        if (response.events.length === 0) {
          promised = response.header.revision;
          notices++;
        }
        for (const event of response.events) {
          expect(event.kv.mod_revision).toBeGreaterThan(promised);
          seen++;
        }
      }
      await written;
      expect(seen).toBe(sent);
      expect(notices).toBeGreaterThan(0);
      stream.cancel();
    });
  },
  { flags: ['--experimental-watch-progress-notify-interval=100ms'] },
);

describeTargets('watch without progress notices', (target) => {
  it('is quiet for far longer than a test when the interval is the default of 10 minutes', async () => {
    const { stream } = await openWatch(target().client, { key: target().prefix(), progress_notify: true });
    await stream.expectSilence(1_000);
    await target().client.put({ key: 'x' });
    stream.send(progress);
    expect((await stream.next()).watch_id).toBe(-1n);
    expect(await takeEvents(stream, 0)).toEqual([]);
    stream.cancel();
  });
});
