// The blob ID of a file by the published program, and the seconds it took with the file in memory:
//     node time.mjs FILE
import { readFileSync } from 'node:fs';
import { BlobEncoder } from '@mysten/walrus-wasm';

const data = new Uint8Array(readFileSync(process.argv[2]));
const encoder = new BlobEncoder(1000);
const began = process.hrtime.bigint();
const [id] = encoder.compute_metadata(data);
const seconds = Number(process.hrtime.bigint() - began) / 1e9;
console.log(Buffer.from(id).toString('base64url'), seconds.toFixed(3));
