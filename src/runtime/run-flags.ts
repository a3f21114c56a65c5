/**
 * The flags of `run` and `create` as a user writes them: texts, under the camel-case names that commander gives
 * them (`--cap-add` → `capAdd`). `src/runtime/flags/request.ts` reads the values and makes Docker's create request
 * of them, so the CLI holds no grammar of its own and the Engine API can hand in a request directly.
 */
export interface RunFlags {
  readonly name?: string;
  readonly hostname?: string;
  /** Only its presence and text matter: `""` resets the image's entrypoint (and its Cmd). */
  readonly entrypoint?: string;
  /** `NAME=value`, or `NAME` alone for the caller's own value. Comes after `envFile`. */
  readonly env?: readonly string[];
  readonly envFile?: readonly string[];
  readonly workdir?: string;
  readonly user?: string;
  readonly groupAdd?: readonly string[];
  readonly label?: readonly string[];
  readonly labelFile?: readonly string[];
  readonly annotation?: readonly string[];
  readonly interactive?: boolean;
  readonly tty?: boolean;
  /** Nobody is attached to it from the start. */
  readonly detach?: boolean;
  /** `no`, `on-failure[:n]`, `always`, `unless-stopped`. */
  readonly restart?: string;
  readonly logDriver?: string;
  /** `max-size=10m`, `max-file=3` */
  readonly logOpt?: readonly string[];
  /** Removes the container when it ends. */
  readonly rm?: boolean;
  /** `[SOURCE:]TARGET[:OPTIONS]`: a host path, a volume's name, or nothing for an anonymous volume. */
  readonly volume?: readonly string[];
  /** `type=bind|volume|tmpfs,source=…,target=…[,readonly]…` */
  readonly mount?: readonly string[];
  /** `TARGET[:OPTIONS]` */
  readonly tmpfs?: readonly string[];
  readonly readOnly?: boolean;
  readonly capAdd?: readonly string[];
  readonly capDrop?: readonly string[];
  readonly privileged?: boolean;
  /** `seccomp=unconfined|FILE`, `no-new-privileges[=true|false]`. */
  readonly securityOpt?: readonly string[];
  /** `NAME=SOFT[:HARD]` */
  readonly ulimit?: readonly string[];
  /** `none` (the default), `host`, `bridge` (the default with ports to publish) or a network's name. */
  readonly network?: string;
  /** `[ADDRESS:][HOST:]CONTAINER[/tcp|udp]` */
  readonly publish?: readonly string[];
  readonly publishAll?: boolean;
  /** `PORT[-PORT][/tcp|udp]` */
  readonly expose?: readonly string[];
  /** `HOST:ADDRESS` */
  readonly addHost?: readonly string[];
  readonly shmSize?: string;
  /** Sizes: `500M`, `1g`, bytes. `memorySwap` may be -1. */
  readonly memory?: string;
  readonly memorySwap?: string;
  readonly memoryReservation?: string;
  readonly cpus?: string;
  readonly cpuShares?: string;
  readonly cpusetCpus?: string;
  readonly cpusetMems?: string;
  readonly pidsLimit?: string;
  readonly init?: boolean;
  /** Paths and globs inside the container: copied up before it starts. */
  readonly warm?: readonly string[];
  /** A file for what the run used, as JSON. */
  readonly statsOnExit?: string;
  readonly stopSignal?: string;
  readonly stopTimeout?: string;
  /** OCI runtime: `crun`, `runc` or a path; default by what the host shows (`GANTRY_RUNTIME`). */
  readonly runtime?: string;
}
