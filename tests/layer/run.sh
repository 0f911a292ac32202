#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
#
# run.sh CONFIG LAYER_DIR MASK_DIR PROGRAM [ARGS...]   run a test of the layer against lavapipe.
#
# CONFIG   above    the validation layer above ours: is the application's view of it valid Vulkan?
#          below    the validation layer below ours: is what the layer does to the driver valid?
#          masked   above, and below ours a layer that makes lavapipe look like a discrete GPU
#          bare     the same without the validation layer
#          plain    only ours: as hesperd starts the render server
#          native   no layer at all
set -euo pipefail

config=$1 layer=$2 mask=$3
shift 3

icd=
for file in /usr/share/vulkan/icd.d/lvp_icd*.json /usr/local/share/vulkan/icd.d/lvp_icd*.json; do
	[ ! -e "$file" ] || { icd=$file; break; }
done
[ -n "$icd" ] || { echo "no lavapipe on this machine"; exit 77; }

ours=VK_LAYER_HESPER_host_memory validation=VK_LAYER_KHRONOS_validation
case $config in
above) layers=$validation:$ours ;;
below) layers=$ours:$validation ;;
masked) layers=$validation:$ours:VK_LAYER_HESPER_test_mask ;;
bare) layers=$ours:VK_LAYER_HESPER_test_mask ;;
plain) layers=$ours ;;
native) layers= ;;
*) echo "unknown configuration $config" >&2; exit 2 ;;
esac
export VK_DRIVER_FILES=$icd VK_ADD_LAYER_PATH=$layer:$mask VK_INSTANCE_LAYERS=$layers
export VK_LOADER_LAYERS_DISABLE='~implicit~'
export HESPER_TEST_CONFIG=$config
# With /dev/udmabuf, lavapipe exports dma-bufs and the layer would stay out.
export HESPER_HOST_MEMORY=always
exec "$@"
