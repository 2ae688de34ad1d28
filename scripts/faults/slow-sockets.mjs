import { connect } from 'node:net';

/**
 * `slow-sockets.mjs PORT COUNT`: holds so many connections open, half of them silent, half in the middle of a header, a byte every few
 * seconds. A connection that the server closes is made again. Tells its parent how many are open, and how many were closed.
 */

const [port, count] = process.argv.slice(2).map(Number);
const OPENED_EACH_TICK = 20;
const TICK_MS = 10;
const BYTE_EVERY_MS = 5_000;

const sockets = new Set();
let closed = 0;
let opened = 0;

setInterval(() => {
  for (let n = 0; n < OPENED_EACH_TICK && sockets.size < count; n++) open();
}, TICK_MS);
setInterval(() => {
  for (const socket of sockets) if (socket.talks && socket.writable) socket.write('a');
}, BYTE_EVERY_MS);
setInterval(() => process.send?.({ open: sockets.size, closed }), 500);
process.on('disconnect', () => process.exit());

function open() {
  const socket = connect(port, '127.0.0.1');
  sockets.add(socket);
  socket.talks = opened++ % 2 === 0;
  socket.on('connect', () => socket.talks && socket.write('GET /livez HTTP/1.1\r\nHost: localhost\r\nX-Slow: '));
  socket.on('data', () => {});
  socket.on('error', () => {});
  socket.on('close', () => {
    sockets.delete(socket);
    closed += 1;
  });
}
