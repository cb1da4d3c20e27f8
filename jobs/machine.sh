#!/bin/sh
# A script with its wishes in #FOG lines: `fog job submit machine.sh` sends it along and runs it, a task for each index.
# The lines stand before the first command, each as in a manifest.
#FOG array: 0-1
#FOG resources: {cpu: 500m, memory: 128MiB, time: 1m}
echo "task $FOG_TASK_INDEX: $(uname -s) $(uname -m), $(nproc) core for $FOG_CPUS thread"
