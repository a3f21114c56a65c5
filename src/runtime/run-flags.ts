/**
 * The flags of `run` and `create` as a user writes them: texts, under the camel-case names that commander gives
 * them (`--cap-add` → `capAdd`). `src/runtime/flags/request.ts` reads the values and makes Docker's create request
 * of them, so the CLI holds no grammar of its own and the Engine API can hand in a request directly.
 */
export interface RunFlags {
  readonly name?: string;
  readonly hostname?: string;
  readonly domainname?: string;
  /** Where the id is written; must not be there. */
  readonly cidfile?: string;
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
  /** `CONTAINER[:ro|rw]` */
  readonly volumesFrom?: readonly string[];
  readonly readOnly?: boolean;
  /** The write layer is never synced; what it holds is lost by a crash of the machine. So too with `rm`. */
  readonly volatile?: boolean;
  readonly capAdd?: readonly string[];
  readonly capDrop?: readonly string[];
  readonly privileged?: boolean;
  /** `seccomp=unconfined|FILE`, `no-new-privileges[=true|false]`, `systempaths=unconfined`. */
  readonly securityOpt?: readonly string[];
  /** `NAME=SOFT[:HARD]` */
  readonly ulimit?: readonly string[];
  /** `HOST[:CONTAINER][:rwm]` */
  readonly device?: readonly string[];
  /** `c 42:* rmw` */
  readonly deviceCgroupRule?: readonly string[];
  /** `NAME=VALUE` */
  readonly sysctl?: readonly string[];
  /** Whose namespace: `host`, or one of its own; `ipc` and `cgroupns` know more words (flags/namespaces.ts). */
  readonly pid?: string;
  readonly ipc?: string;
  readonly uts?: string;
  readonly userns?: string;
  readonly cgroupns?: string;
  /** `none`, `host`, `bridge`, a network's name, or `name=…,alias=…,ip=…`; several. */
  readonly network?: string | readonly string[];
  /** Of the first network. */
  readonly ip?: string;
  readonly macAddress?: string;
  readonly networkAlias?: readonly string[];
  /** `[ADDRESS:][HOST:]CONTAINER[/tcp|udp]` */
  readonly publish?: readonly string[];
  readonly publishAll?: boolean;
  /** `PORT[-PORT][/tcp|udp]` */
  readonly expose?: readonly string[];
  /** `HOST:ADDRESS`, `HOST:host-gateway` */
  readonly addHost?: readonly string[];
  readonly dns?: readonly string[];
  readonly dnsSearch?: readonly string[];
  readonly dnsOption?: readonly string[];
  /** Docker's, refused. */
  readonly link?: readonly string[];
  readonly gpus?: string;
  readonly shmSize?: string;
  /** Sizes: `500M`, `1g`, bytes. `memorySwap` may be -1. */
  readonly memory?: string;
  readonly memorySwap?: string;
  readonly memoryReservation?: string;
  /** 0 to 100. */
  readonly memorySwappiness?: string;
  readonly oomKillDisable?: boolean;
  /** -1000 to 1000. */
  readonly oomScoreAdj?: string;
  readonly cpus?: string;
  readonly cpuShares?: string;
  /** Microseconds. */
  readonly cpuPeriod?: string;
  readonly cpuQuota?: string;
  readonly cpusetCpus?: string;
  readonly cpusetMems?: string;
  readonly pidsLimit?: string;
  readonly blkioWeight?: string;
  /** `DEVICE:WEIGHT` */
  readonly blkioWeightDevice?: readonly string[];
  /** `DEVICE:RATE` */
  readonly deviceReadBps?: readonly string[];
  readonly deviceWriteBps?: readonly string[];
  readonly deviceReadIops?: readonly string[];
  readonly deviceWriteIops?: readonly string[];
  readonly init?: boolean;
  /** Paths and globs inside the container: copied up before it starts. */
  readonly warm?: readonly string[];
  /** Run by a shell inside. */
  readonly healthCmd?: string;
  /** Go durations: `30s`, `1m30s`. */
  readonly healthInterval?: string;
  readonly healthTimeout?: string;
  readonly healthStartPeriod?: string;
  readonly healthStartInterval?: string;
  readonly healthRetries?: string;
  /** False: not even the image's. */
  readonly healthcheck?: boolean;
  /** A file for what the run used, as JSON. */
  readonly statsOnExit?: string;
  readonly stopSignal?: string;
  readonly stopTimeout?: string;
  /** OCI runtime: `crun`, `runc` or a path; default by what the host shows (`GANTRY_RUNTIME`). */
  readonly runtime?: string;
}
