"""
Options without an effect on the memory of a GPU, by engine and by what follows them.

They are named so that a flag does not take the next word, and that an option of no effect is not shown
as an unknown one. Sources: the argument parsers that the engines' own modules here cite.
"""

VLLM_FLAGS = """
--aggregate-engine-logging --allow-credentials --allow-deprecated-quantization --calculate-kv-scales
--cohere-is-reasoning-model --cudagraph-metrics --data-parallel-external-lb --data-parallel-hybrid-lb
--data-parallel-multi-port-external-lb --disable-async-output-proc --disable-cascade-attn
--disable-custom-all-reduce --disable-fastapi-docs --disable-frontend-multiprocessing --disable-log-requests
--disable-log-stats --disable-mm-preprocessor-cache --disable-nccl-for-dp-synchronization
--disable-uvicorn-access-log --enable-auto-tool-choice --enable-bf16x3-router-gemm --enable-cumem-allocator
--enable-ep-weight-filter --enable-fault-tolerance --enable-flash-late-interaction
--enable-flashinfer-autotune --enable-force-include-usage --enable-hc-sp --enable-layerwise-nvtx-tracing
--enable-log-deltas --enable-log-outputs --enable-log-requests --enable-logging-iteration-details
--enable-mamba-cache-stochastic-rounding --enable-mamba-shared-prefix-checkpoint --enable-mfu-metrics
--enable-mixed-moe-lora-format --enable-nccl-comm-suspend --enable-offline-docs --enable-per-request-metrics
--enable-prompt-adapter --enable-prompt-tokens-details --enable-reasoning --enable-request-id-headers
--enable-scale-out --enable-server-load-tracking --enable-shm-tensor-arena --enable-sleep-mode
--enable-ssl-refresh --enable-tokenizer-info-endpoint --enable-trace-replay --engine-use-ray
--eplb-log-balancedness --exclude-tools-when-tool-choice-none --fail-on-environ-validation --grpc
--guided-decoding-disable-additional-properties --guided-decoding-disable-any-whitespace
--guided-decoding-disable-fallback --headless --interleave-mm-strings --jit-monitor-verbose
--kv-cache-metrics --log-error-stack --long-lora --mm-device-do-normalize --monokernel
--multi-step-stream-outputs --numa-bind --ray-workers-use-nsight --return-sampling-mask
--return-tokens-as-token-ids --skip-tokenizer-init --sleep-mode-offload-cudagraph --swa-bounded-replay
--tokens-only --trust-remote-code --trust-request-chat-template --trust-request-mm-kwargs --use-fp64-gumbel
--use-tqdm-on-load --use-v2-block-manager --worker-use-ray -O2 -dpe -dph -dpm
"""

VLLM_VALUES = """
--allowed-headers --allowed-local-media-path --allowed-methods --allowed-origins
--anthropic-disabled-thinking-effort --api-server-count --chat-template --chat-template-content-format
--code-revision --cohere-format --config-format --cp-kv-cache-interleave-size
--cpu-distributed-timeout-seconds --data-parallel-address --data-parallel-backend --data-parallel-rank
--data-parallel-rpc-port --data-parallel-size-local --data-parallel-start-rank
--data-parallel-supervisor-port --dbo-decode-token-threshold --dbo-prefill-token-threshold --dcp-comm-backend
--dcp-kv-cache-interleave-size --device-ids --disable-access-log-for-endpoints --distributed-executor-backend
--distributed-timeout-seconds --download-dir --dp-supervisor-probe-failure-threshold
--dp-supervisor-probe-interval-s --dp-supervisor-probe-timeout-s --dp-sync-interval --elastic-ep-max-dp-size
--eplb-step-interval --eplb-window-size --expert-placement-strategy --fingerprint-mode --fingerprint-value
--generation-config --grpc-port --guided-decoding-backend --h11-max-header-count
--h11-max-incomplete-event-size --host --io-processor-plugin --jit-monitor-mode --kda-decode-backend
--kv-cache-metrics-sample --kv-offloading-backend --log-config-file --log-level --logging-config
--logits-processor-pattern --logprobs-mode --mamba-backend --mamba-cache-philox-rounds --mamba-ssu-algorithm
--master-addr --master-port --max-context-len-to-capture --max-log-len --max-logprobs --max-lora-cls-labels
--max-num-queued-tokens --max-parallel-loading-workers --max-seq-len-to-capture --middleware
--mm-encoder-fp8-scale-path --mm-encoder-fp8-scale-save-margin --mm-encoder-fp8-scale-save-path
--mm-hasher-algorithm --mm-processor-cache-gb --mm-processor-cache-type --mm-shm-cache-max-object-size-mb
--mm-tensor-ipc --node-rank --num-lookahead-slots --num-scheduler-steps --offload-num-in-group
--offload-prefetch-step --otlp-traces-endpoint --per-request-spec-decode-metrics --port --preemption-mode
--prefill-schedule-interval --prefix-cache-retention-interval --prefix-caching-hash-algo --prefix-match-unit
--pt-load-map-location --reasoning-parser --reasoning-parser-plugin --renderer-num-workers
--replayssm-buffer-len --response-role --revision --root-path --rope-theta --safetensors-load-strategy
--safetensors-prefetch-block-size --safetensors-prefetch-num-threads --scheduler-delay-factor
--scheduling-policy --seed --show-hidden-metrics-for-version --shutdown-timeout --sleep-mode-backend
--sparse-indexer-topk-backend --sse-keep-alive-interval --ssl-ca-certs --ssl-cert-reqs --ssl-certfile
--ssl-ciphers --ssl-keyfile --stream-interval --swap-space --tokenizer --tokenizer-mode --tokenizer-pool-size
--tokenizer-pool-type --tokenizer-revision --tool-call-parser --tool-parser-plugin --tool-server
--tool-strict-level --uds --uvicorn-log-level --video-pruning-method -asc -dpa -dpb -dpl -dpn -dpp -dpr -r
"""

VLLM_LISTS = """
--allowed-media-domains --api-key --collect-detailed-traces --ignore-patterns --logits-processors
--numa-bind-cpus --numa-bind-nodes --offload-params --served-model-name --sleep-preserve-parameter-names
"""

VLLM_OBJECTS = """
--aux-output-config --custom-histogram-buckets --default-chat-template-kwargs --default-mm-loras
--ec-manager-config --fault-tolerance-config --ir-op-priority --kv-events-config --model-loader-extra-config
--override-generation-config --override-pooler-config --pooler-config --profiler-config --reasoning-config
--reasoning-effort-map --structured-outputs-config --watchdog-config --watermark-config
--weight-transfer-config
"""

SGLANG_FLAGS = """
--abort-on-priority-when-disabled --allow-auto-truncate --checkpoint-engine-wait-weights-before-ready
--constrained-json-disable-any-whitespace --dcp-replicate-q-proj --delete-ckpt-after-loading
--disable-aiter-allreduce-fusion-in-decode --disable-aiter-allreduce-fusion-in-prefill
--disable-attn-tp-gather --disable-chunked-prefix-cache --disable-custom-all-reduce
--disable-fast-image-processor --disable-flashinfer-autotune --disable-flashinfer-cutlass-moe-fp4-allgather
--disable-jump-forward --disable-outlines-disk-cache --disable-priority-preemption
--disable-shared-experts-fusion --disable-tokenizer-batch-decode
--disaggregation-decode-enable-offload-kvcache --disaggregation-decode-enable-radix-cache
--disaggregation-enable-kv-checksum --dllm-fdfo --enable-adaptive-dispatch-to-encoder
--enable-aiter-allreduce-fusion --enable-attn-tp-input-scattered --enable-broadcast-mm-inputs-process
--enable-cache-report --enable-cp-decode-attn-tp --enable-cudagraph-gc --enable-custom-logit-processor
--enable-dp-attention-local-control-broadcast --enable-draft-weights-cpu-backup --enable-dsa-fused-indexer
--enable-dynamic-batch-tokenizer --enable-dynamic-chunking --enable-elastic-expert-backup
--enable-forward-pass-metrics --enable-fused-moe-sum-all-reduce --enable-fused-qk-norm-rope
--enable-http-worker-reuseport --enable-http2 --enable-layernorm-sp --enable-layerwise-nvtx-marker
--enable-lean-attention --enable-linker-mla-dedup --enable-lora-overlap-loading
--enable-mamba-cache-stochastic-rounding --enable-memory-saver --enable-metrics
--enable-metrics-for-all-schedulers --enable-mfu-metrics --enable-mixed-chunk --enable-mm-global-cache
--enable-nan-detection --enable-p2p-check --enable-pd-role-switch --enable-precise-embedding-interpolation
--enable-prefill-delayer --enable-prefix-mm-cache --enable-priority-scheduling --enable-profile-cuda-graph
--enable-quant-communications --enable-request-time-stats-logging --enable-response-store
--enable-session-radix-cache --enable-single-batch-overlap --enable-ssl-refresh --enable-streaming-session
--enable-strict-thinking --enable-tf32-matmul --enable-tokenizer-batch-encode
--enable-torch-compile-debug-mode --enable-tp-lm-head-all-to-all --enable-trace --enable-w4a4-mxfp4-megamoe
--enable-watermark --enable-weights-cpu-backup --enforce-disable-flashinfer-allreduce-fusion
--export-metrics-to-file --flashinfer-mla-disable-ragged --grpc-mode --incremental-streaming-output
--log-requests --lora-strict-loading --lora-use-virtual-experts --mlx-enable-sampling
--remote-instance-weight-loader-start-seed-via-transfer-engine --return-input-ids --return-output-ids
--schedule-low-priority-values-first --show-time-cost --skip-server-warmup --skip-tokenizer-init
--sleep-on-idle --smg-grpc-mode --speculative-dspark-align-verify-tokens-to-graph-tier
--speculative-enable-w4a4-mxfp4-megamoe --speculative-use-block-verification
--stream-response-default-include-usage --strip-thinking-cache --triton-attention-reduce-in-fp32
--trust-mm-content-hashes --trust-remote-code --trust-request-chat-template --use-ray
--weight-loader-disable-mmap --weight-loader-drop-cache-after-load --weight-loader-prefetch-checkpoints
"""

SGLANG_VALUES = """
--admin-api-key --api-key --asr-max-buffer-seconds --asr-max-concurrent-sessions --base-gpu-id
--batch-notify-size --bf16-gemm-backend --boundary-reduction --c128-page-size --chat-template
--completion-template --constrained-json-max-whitespace-cnt --constrained-json-whitespace-pattern
--cp-strategy --crash-dump-folder --dcp-comm-backend --debug-tensor-dump-input-file --decode-log-interval
--decoupled-spec-bind-endpoint --decoupled-spec-connect-endpoints --decoupled-spec-rank
--decrypted-config-file --decrypted-draft-config-file --deepep-config --deepep-dispatcher-output-dtype
--deepep-mode --deepep-v2-mode --default-chat-template-kwargs --default-priority-value
--detokenizer-worker-num --device --disaggregation-bootstrap-port --disaggregation-decode-allocation-policy
--disaggregation-decode-host-receive-threshold
--disaggregation-decode-polling-interval --disaggregation-decode-retraction-backup --disaggregation-ib-device
--disaggregation-transfer-backend --dist-init-addr --dist-timeout --dllm-algorithm-config --download-dir
--dsa-paged-mqa-logits-backend --dsa-topk-backend --dsa-triton-union --dsv4-prefill-backend
--dynamic-batch-tokenizer-batch-size --dynamic-batch-tokenizer-batch-timeout --elastic-ep-join-mode
--elastic-ep-join-rank-offset --elastic-ep-scale-timeout --encoder-bootstrap-port --encoder-transfer-backend
--engine-info-bootstrap-port --ep-dispatch-algorithm --eplb-algorithm
--eplb-min-rebalancing-utilization-threshold --eplb-rebalance-layers-per-chunk --eplb-rebalance-num-iterations
--export-metrics-to-file-dir --extra-metric-labels --fastapi-root-path --file-storage-path
--flashinfer-a2a-dispatch-type --flexkv-config-file --forward-hooks --forward-pass-metrics-ipc-name
--forward-pass-metrics-worker-id --fp8-gemm-backend --fuseep-mode --gated-launch-port
--gc-warning-threshold-secs --gpu-id-step --grammar-backend --grpc-http-sidecar-port --grpc-port
--grpc-response-timeout-secs --hf-chat-template-name --hicache-host-memory-fraction --hicache-host-memory-mode
--hicache-io-backend --hicache-mem-layout --hicache-ratio --hicache-size --hicache-storage-backend
--hicache-storage-backend-extra-config --hicache-storage-prefetch-policy
--hicache-storage-prefetch-retry-max-attempts --hicache-storage-prefetch-retry-poll-interval
--hicache-write-policy --hierarchical-sparse-attention-extra-config --hisparse-config --host
--http2-initial-connection-window-size --http2-max-concurrent-streams --image-processor-backend
--init-expert-location --int8-mamba-ckpt-size --kt-cpuinfer --kt-max-deferred-experts-per-token --kt-method
--kt-num-gpu-experts --kt-threadpool-count --kv-canary-real-data --kv-canary-sweep-interval --kv-events-config
--limit-mm-data-per-request --linear-attn-decode-backend --linear-attn-prefill-backend
--linear-attn-verify-backend --linear-replayssm-cache-len --lmcache-config-file --load-balance-method
--load-publish-endpoint --load-snapshot-publish-interval --log-level --log-level-http --log-requests-format
--log-requests-level --lora-backend --lora-drain-wait-threshold --lora-eviction-policy --mamba-backend
--mamba-cache-philox-rounds --mamba-max-states-per-path --mamba-track-interval --max-loaded-loras
--max-lora-chunk-size --max-queued-requests --media-url-max-file-size-mb
--min-free-slots-delay --mm-global-cache-backend --mm-io-worker-num --mm-preprocess-cache-size-mb
--mm-process-config --mm-processor-worker-num --model-config-parser --model-loader-extra-config
--modelexpress-config --modelopt-checkpoint-save-path --modelopt-export-path --mooncake-ib-device
--nccl-init-addr --nccl-port --node-rank --num-continuous-decode-steps --num-reserved-decode-tokens
--offload-mode --offload-num-in-group --offload-prefetch-step --optimistic-prefill-attempts
--otlp-service-name --otlp-traces-endpoint --paged-experts-num-resident --pdmux-config-path
--ple-offload-backend --ple-offload-dir --port --pp-async-batch-depth --preferred-sampling-params
--prefill-decode-interval --prefill-decode-interval-min-bs --prefill-delayer-max-delay-ms
--prefill-delayer-max-delay-passes --prefill-delayer-queue-min-ratio
--prefill-delayer-token-usage-low-watermark --prefill-kv-cache-dequant-dtype --prefill-max-requests
--priority-scheduling-preemption-threshold --quantization-param-path --radix-eviction-policy
--radix-eviction-policy-config --random-seed --reasoning-parser --remote-instance-weight-loader-backend
--remote-instance-weight-loader-seed-instance-ip --remote-instance-weight-loader-seed-instance-service-port
--remote-instance-weight-loader-send-weights-group-ports --retraction-policy --revision --rl-quant-profile
--sampling-backend --sampling-defaults --sampling-mask-max-tokens --schedule-conservativeness
--schedule-policy --scheduler-recv-interval --served-model-name --sidecar --sidecar-args --sm-group-num
--smg-http-sidecar-port --soft-watchdog-timeout --spec-trace-dir --speculative-accept-threshold-acc
--speculative-accept-threshold-single --speculative-attention-mode --speculative-domino-candidate-pool-size
--speculative-draft-model-revision --speculative-draft-sink-size --speculative-draft-window-size
--speculative-dsa-topk-backend --speculative-dspark-block-size --speculative-dspark-confidence-sts-path
--speculative-dspark-sps-table-path --speculative-ngram-capacity
--speculative-ngram-external-corpus-max-tokens --speculative-ngram-external-corpus-path
--speculative-ngram-external-sam-budget --speculative-ngram-match-type
--speculative-ngram-max-trie-depth --speculative-ngram-min-bfs-breadth --ssl-ca-certs --ssl-certfile
--ssl-keyfile --ssl-keyfile-password --startup-weight-load-mode --stream-interval
--tbo-token-distribution-threshold --tokenizer-backend --tokenizer-metrics-custom-labels-header
--tokenizer-mode --tokenizer-path --tokenizer-worker-num --tool-call-parser --tool-server
--torch-compile-max-bs --trace-modules --unified-cache-external-linker-backend
--unified-cache-external-linker-config --uno-lora-path --warmups --watchdog-timeout --watermark-config
--weight-cache-socket --weight-cache-timeout --weight-loader-prefetch-num-threads --weight-version
"""

SGLANG_LISTS = """
--allowed-media-domains --bucket-e2e-request-latency --bucket-inter-token-latency --bucket-time-to-first-token
--custom-weight-loader --debug-tensor-dump-layers --encoder-register-urls --encoder-urls
--flashinfer-autotune-skip-ops --gc-threshold --generation-tokens-buckets --log-requests-target --numa-node
--prefill-delayer-forward-passes-buckets --prefill-delayer-wait-seconds-buckets --prompt-tokens-buckets
--return-aux-hidden-state-layer-ids --tokenizer-metrics-allowed-custom-labels
--uvicorn-access-log-exclude-prefixes
"""

LLAMACPP_FLAGS = """
--spec-default
-h --help --usage --version -cl --cache-list --completion-bash --verbose-prompt --display-prompt
--no-display-prompt --cache-idle-slots --no-cache-idle-slots --context-shift --no-context-shift --perf
--no-perf --show-timings --no-show-timings -e --escape --no-escape -sp --special -st --single-turn -mli
--multiline-input --warmup --no-warmup --spm-infill --ignore-eos -kvo --kv-offload --repack -nr --no-repack
--no-host -cb --cont-batching -nocb --no-cont-batching --mmproj-auto --mmproj-offload --list-devices
--check-tensors --op-offload --no-op-offload --reuse-port --cors-credentials --no-cors-credentials
--ui-mcp-proxy --webui-mcp-proxy --no-ui-mcp-proxy --no-webui-mcp-proxy -ag --agent -no-ag --no-agent --ui
--webui --no-ui --no-webui --cache-prompt --no-cache-prompt --metrics --props --slots --no-slots
--models-autoload --no-models-autoload --jinja --no-jinja --reasoning-preserve --no-reasoning-preserve
--skip-chat-parsing --no-skip-chat-parsing --prefill-assistant --no-prefill-assistant
--lora-init-without-apply --simple-io --log-disable --log-jsonl --no-log-jsonl -v --verbose --log-verbose
--offline --log-prefix --no-log-prefix --log-timestamps --no-log-timestamps --spec-draft-backend-sampling
--no-spec-draft-backend-sampling --no-mmap --mmap --mlock -cnv --conversation -no-cnv --no-conversation -i
--interactive -if --interactive-first
"""

LLAMACPP_VALUES = """
-mg --main-gpu -co --color -t --threads -tb --threads-batch -C --cpu-mask -Cr --cpu-range --cpu-strict --prio
--poll -Cb --cpu-mask-batch -Crb --cpu-range-batch --cpu-strict-batch --prio-batch --poll-batch -lcs
--lookup-cache-static -lcd --lookup-cache-dynamic -n --predict --n-predict --keep -ctxcp --ctx-checkpoints
--swa-checkpoints -cms --checkpoint-min-step -cram --cache-ram -p --prompt -sys --system-prompt -f --file
-sysf --system-prompt-file -bf --binary-file -r --reverse-prompt --samplers -s --seed --sampler-seq
--sampling-seq --temp --temperature --top-k --top-p --min-p --top-nsigma --top-n-sigma --xtc-probability
--xtc-threshold --typical --typical-p --repeat-last-n --repeat-penalty --presence-penalty --frequency-penalty
--dry-multiplier --dry-base --dry-allowed-length --dry-penalty-last-n --dry-sequence-breaker --adaptive-target
--adaptive-decay --dynatemp-range --dynatemp-exp --mirostat --mirostat-lr --mirostat-ent -l --logit-bias
--grammar --grammar-file -j --json-schema -jf --json-schema-file --rope-scaling --rope-scale --rope-freq-base
--rope-freq-scale --yarn-orig-ctx --yarn-ext-factor --yarn-attn-factor --yarn-beta-slow --yarn-beta-fast -dt
--defrag-thold --image --audio --video --video-fps --video-timestamp-interval --video-ffmpeg-dir -lm
--load-mode -lzm --lazy-mode --numa -a --alias --tags -hft --hf-token -o --output --output-file
--embd-normalize --host --port --path --cors-origins --cors-methods --cors-headers --api-prefix --ui-config
--webui-config --ui-config-file --webui-config-file --tools --tools-runtime --mcp-servers-config
--mcp-servers-json --api-key --api-key-file --ssl-key-file --ssl-cert-file --chat-template-kwargs -to
--timeout --sse-ping-interval --threads-http --cache-reuse --slot-save-path --media-path --models-max
--reasoning-format -rea --reasoning --reasoning-effort --reasoning-budget --reasoning-budget-message
--chat-template --chat-template-file -sps --slot-prompt-similarity --sleep-idle-seconds --log-file
--log-prompts-dir --log-colors -lv --verbosity --log-verbosity --spec-draft-threads -td --threads-draft
--spec-draft-threads-batch -tbd --threads-batch-draft --spec-draft-cpu-mask -Cd --cpu-mask-draft
--spec-draft-cpu-range -Crd --cpu-range-draft --spec-draft-cpu-strict --cpu-strict-draft --spec-draft-prio
--prio-draft --spec-draft-poll --poll-draft --spec-draft-cpu-mask-batch -Cbd --cpu-mask-batch-draft
--spec-draft-cpu-strict-batch --cpu-strict-batch-draft --spec-draft-prio-batch --prio-batch-draft
--spec-draft-poll-batch --poll-batch-draft --spec-draft-n-min --spec-synth-len --spec-synth-rates
--spec-draft-p-split --draft-p-split --spec-draft-p-min --draft-p-min --spec-ngram-mod-n-min
--spec-ngram-mod-n-max --spec-ngram-mod-n-match --spec-ngram-simple-size-n --spec-ngram-simple-size-m
--spec-ngram-simple-min-hits --spec-ngram-map-k-size-n --spec-ngram-map-k-size-m --spec-ngram-map-k-min-hits
--spec-ngram-map-k4v-size-n --spec-ngram-map-k4v-size-m --spec-ngram-map-k4v-min-hits --draft-min
--draft-n-min --spec-ngram-size-n --spec-ngram-size-m --spec-ngram-min-hits
"""

TRTLLM_FLAGS = """
--trust-remote-code --fail-fast-on-attention-window-too-large
"""

TRTLLM_VALUES = """
--tokenizer --custom-tokenizer --host --port --custom-module-dirs --log-level --gpus-per-node
--num-postprocess-workers --revision --reasoning-parser --tool-parser --metadata-server-config-file
--otlp-traces-endpoint --disagg-cluster-uri --media-io-kwargs --chat-template
"""

TRTLLM_KEYS = """
tokenizer tokenizer_mode custom_tokenizer skip_tokenizer_init post_processor_hook trust_remote_code revision
tokenizer_revision gpus_per_node guided_decoding_backend batched_logits_processor iter_stats_max_iterations
request_stats_max_iterations max_input_len num_postprocess_workers postprocess_tokenizer_dir
num_serve_frontends reasoning_parser otlp_traces_endpoint return_perf_metrics perf_metrics_output_dir
perf_metrics_max_requests enable_energy_metrics orchestrator_type fail_fast_on_attention_window_too_large
disable_overlap_scheduler sampler_force_async_worker enable_speculative_beam_history_d2h
enable_early_first_token_response enable_low_latency_host_dispatch enable_iter_perf_stats
enable_iter_req_stats print_iter_log batch_wait_timeout_ms batch_wait_timeout_iters
batch_wait_max_tokens_ratio enable_autotuner use_fine_grained_sync enable_layerwise_nvtx_marker
stream_interval checkpoint_format checkpoint_loader checkpoint_io_policy garbage_collection_gen0_threshold
use_cute_dsl_blockscaling_mm use_cute_dsl_blockscaling_bmm use_cute_dsl_bf16_bmm use_cute_dsl_bf16_gemm
enable_mla_skip_correction mla_skip_correction_threshold enable_resource_governor mm_processor_kwargs
video_pruning_rate kv_cache_config.sink_token_length kv_cache_config.host_cache_size
kv_cache_config.disk_cache_size kv_cache_config.disk_cache_path kv_cache_config.secondary_offload_min_priority
kv_cache_config.event_buffer_max_size kv_cache_config.attention_dp_events_gather_period_ms
kv_cache_config.enable_partial_reuse kv_cache_config.copy_on_partial_reuse
kv_cache_config.iteration_stats_interval kv_cache_config.disk_prefetch_num_reqs
kv_cache_config.block_reuse_policy moe_config.disable_finalize_fusion moe_config.use_low_precision_moe_combine
moe_config.load_balancer.layer_updates_per_iter speculative_config.use_relaxed_acceptance_for_thinking
speculative_config.relaxed_topk speculative_config.relaxed_delta speculative_config.begin_thinking_phase_token
speculative_config.end_thinking_phase_token speculative_config.load_format
speculative_config.acceptance_rate_window_size speculative_config.acceptance_rate_threshold
speculative_config.allow_advanced_sampling speculative_config.advanced_sampling_mode
speculative_config.greedy_sampling speculative_config.posterior_threshold speculative_config.eagle3_model_arch
speculative_config.max_non_leaves_per_layer sparse_attention_config.seq_len_threshold
sparse_attention_config.index_topk sparse_attention_config.indexer_rope_interleave
sparse_attention_config.threshold_scale_factor sparse_attention_config.target_sparsity generation_config
max_stats_len ray_worker_extension_cls disable_flashinfer_sampling
kv_cache_config.kv_pool_rebalance_min_sampled_kv_caches kv_cache_config.kv_pool_rebalance_cooldown_secs
kv_cache_config.kv_pool_rebalance_target_ratio_update_interval
kv_cache_config.kv_pool_rebalance_ratio_threshold kv_cache_config.kv_pool_rebalance_moving_average_decay
kv_cache_config.kv_pool_rebalance_check_interval speculative_config.mask_token_id
speculative_config.target_layer_ids speculative_config.attention_backend speculative_config.block_size
speculative_config.markov_rank speculative_config.markov_head_type speculative_config.enable_global_pool
speculative_config.global_pool_size speculative_config.output_directory speculative_config.write_interval
speculative_config.file_prefix sparse_attention_config.use_cute_dsl_topk
sparse_attention_config.use_cute_dsl_paged_mqa_logits sparse_attention_config.q_split_threshold
sparse_attention_config.enable_heuristic_topk sparse_attention_config.use_self_sampling_topk
sparse_attention_config.use_gvr_emission sparse_attention_config.index_share_for_mtp_iteration
sparse_attention_config.window_size sparse_attention_config.kernel_size sparse_attention_config.topr
sparse_attention_config.topk sparse_attention_config.prompt_budget sparse_attention_config.page_size
sparse_attention_config.sparse_num_index_heads sparse_attention_config.sparse_block_size
sparse_attention_config.sparse_topk_blocks sparse_attention_config.sparse_init_blocks
sparse_attention_config.sparse_local_blocks sparse_attention_config.sparse_score_type
sparse_attention_config.implementation sparse_attention_config.num_attention_heads
sparse_attention_config.num_key_value_heads
"""

TRTLLM_SECTIONS = """
attention_dp_config nvfp4_gemm_config telemetry_config prometheus_metrics_config reorder_policy_config
ray_placement_config ray_worker_nsight_options perf_metrics_config mx_config kv_cache_config.kv_events_config
kv_cache_config.block_reuse_config moe_config.load_balancer.initial_global_assignments
layer_wise_benchmarks_config
"""
