import { once } from 'node:events';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { crc32, deflateSync } from 'node:zlib';
import sharp from 'sharp';

/** Pictures of all kinds, and a server on loopback where apps have them. */

type Answer = {
  type?: string;
  status?: number;
  headers?: Record<string, string>;
  body?: Uint8Array | string;
  instead?: (response: ServerResponse) => void;
};

export type PictureServer = {
  /** The address of what was put there. */
  put(path: string, answer: Answer): string;
  /** The paths that were asked for, one for each request. */
  asked: string[];
  /** Headers of the latest request. */
  headers: IncomingMessage['headers'];
  /** How many connections were made. */
  connections: number;
  close(): void;
};

export async function startPictureServer(): Promise<PictureServer> {
  const answers = new Map<string, Answer>();
  const server = createServer((request, response) => {
    const path = String(request.url);
    pictures.asked.push(path);
    pictures.headers = request.headers;
    const { type = 'image/png', status = 200, headers, body, instead } = answers.get(path) ?? { status: 404 };
    if (instead) return instead(response);
    response.writeHead(status, { 'content-type': type, ...headers });
    response.end(body);
  });
  server.on('connection', () => {
    pictures.connections += 1;
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  const pictures: PictureServer = {
    put(path, answer) {
      answers.set(path, answer);
      return `http://127.0.0.1:${port}${path}`;
    },
    asked: [],
    headers: {},
    connections: 0,
    close() {
      server.close();
      server.closeAllConnections();
    },
  };
  return pictures;
}

/** A picture of one colour. */
export const plain = (colour: string, width = 96, height = 96) =>
  sharp({ create: { width, height, channels: 4, background: colour }, limitInputPixels: false });

export const png = (colour: string, width?: number, height?: number): Promise<Buffer> => plain(colour, width, height).png().toBuffer();

/** 50 kB of black and white that are 1.6 GB once they are decoded. */
export function bomb(side = 20_000): Buffer {
  const header = Buffer.alloc(13);
  header.writeUInt32BE(side, 0);
  header.writeUInt32BE(side, 4);
  header[8] = 1;
  const rows = deflateSync(Buffer.alloc(side * (1 + side / 8)));
  const chunk = (type: string, data: Buffer) => {
    const body = Buffer.concat([Buffer.from(type), data]);
    const [length, sum] = [Buffer.alloc(4), Buffer.alloc(4)];
    length.writeUInt32BE(data.length);
    sum.writeUInt32BE(crc32(body));
    return Buffer.concat([length, body, sum]);
  };
  const signature = Buffer.from([0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a]);
  return Buffer.concat([signature, chunk('IHDR', header), chunk('IDAT', rows), chunk('IEND', Buffer.alloc(0))]);
}

/** A picture that takes a decoder longer than anybody waits: 4 to the power of 24 rectangles in two kilobytes. */
export const endless = (): string => {
  const layers = Array.from({ length: 24 }, (_, n) => `<g id="u${n + 1}">${`<use href="#u${n}"/>`.repeat(4)}</g>`);
  return `<svg xmlns="http://www.w3.org/2000/svg" width="10" height="10"><defs><rect id="u0" width="1" height="1"/>${layers.join('')}</defs><use href="#u24"/></svg>`;
};

/** The colour in the middle, and whether the corner is transparent. */
export async function look(bytes: Uint8Array): Promise<{ middle: number[]; corner: number }> {
  const { data, info } = await sharp(bytes).ensureAlpha().raw().toBuffer({ resolveWithObject: true });
  const at = (x: number, y: number) => [...data.subarray((y * info.width + x) * 4, (y * info.width + x) * 4 + 4)];
  return { middle: at(info.width >> 1, info.height >> 1).slice(0, 3), corner: at(0, 0)[3] as number };
}
