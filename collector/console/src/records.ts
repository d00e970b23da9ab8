/** What the collector's HTTP API speaks, as its OpenAPI page describes it. Times are RFC 3339 in UTC. */

/** One character position: what it may be, likeliest first, with probabilities. */
export type Slot = readonly (readonly [character: string, probability: number])[];

/** The paired camera's frame of the same moment. */
export interface Overview {
  readonly camera: string;
  readonly sha256: string;
  /** When it was captured, less when the read was. */
  readonly offset_ms: number;
  readonly here: boolean;
}

export interface Vehicle {
  readonly body: string | null;
  readonly colour: string | null;
  readonly make: string | null;
}

export interface PlateRead {
  readonly id: number;
  readonly device: string;
  readonly agency: string;
  readonly camera: string;
  readonly role: string;
  readonly pair: string | null;
  readonly lane: string | number | null;
  readonly direction: string | null;
  readonly face: string | null;
  readonly deployment: string | null;
  readonly revision: number;
  readonly final: boolean;
  readonly text: string;
  readonly slots: readonly Slot[];
  readonly confidence: number;
  /** The region that is sure enough to be named. */
  readonly region: string | null;
  readonly regions: readonly (readonly [region: string, probability: number])[];
  readonly captured_at: string;
  readonly clock_error_ms: number | null;
  readonly received_at: string;
  readonly latency_ms: number;
  readonly frames: number;
  readonly crop: string | null;
  readonly crop_here: boolean;
  readonly frame: string | null;
  readonly frame_here: boolean;
  readonly overview: Overview | null;
  readonly travel: string | null;
  readonly marks: readonly string[];
  readonly vehicle: Vehicle | null;
  readonly site: string;
  readonly passage: number | null;
}

/** One vehicle, as several reads of one site saw it; without reads they turned out to be of different vehicles. */
export interface Passage {
  readonly id: number;
  readonly site: string;
  readonly agency: string;
  readonly text: string;
  readonly confidence: number;
  readonly first_at: string;
  readonly last_at: string;
  readonly cameras: number;
  readonly reads: readonly PlateRead[];
}

export interface HotlistEntry {
  readonly plate: string;
  readonly region: string | null;
  readonly list: string;
  readonly version: number;
  readonly reason: string | null;
  readonly severity: string | number | null;
  readonly notes: string | null;
}

export interface Alert {
  readonly id: number;
  readonly state: "new" | "acknowledged";
  readonly support: "raised" | "strengthened" | "unsupported";
  readonly raised_at: string;
  readonly latency_ms: number;
  readonly rule: string;
  readonly why: readonly string[];
  readonly entry: HotlistEntry;
  readonly historical: boolean;
  readonly acknowledged_by: string | null;
  readonly acknowledged_at: string | null;
  readonly read: PlateRead;
}

export interface ShotArrival {
  readonly id: number;
  readonly device: string;
  readonly agency: string;
  readonly microphone: string;
  readonly captured_at: string;
  readonly error_ms: number | null;
  readonly probability: number;
  readonly classes: readonly (readonly [name: string, probability: number])[];
  readonly peak_dbfs: number;
  readonly rms_dbfs: number;
  readonly received_at: string;
  readonly latency_ms: number;
}

/** A camera or microphone, as its device's last health report has it. */
export interface Source {
  readonly id: string;
  readonly kind: string;
  readonly state: string;
  readonly reason: string;
  readonly skipped: number;
}

export interface Device {
  readonly id: string;
  readonly site: string;
  readonly status: string;
  readonly link: string;
  readonly sources: readonly Source[];
}

/** A picture that has arrived: the address to fetch it is its SHA-256. */
export interface ArrivedPicture {
  readonly sha256: string;
  readonly part: string;
  readonly read: number | null;
}

export interface Session {
  readonly user: string;
  readonly role: string;
}
