/* A stand-in for NVIDIA's driver: libcuda.so.1 and libnvidia-encode.so.1 in one, for a real FFmpeg to load.
 *
 * It has a GPU with NVENC that takes every frame. What it gives for them are the access units of
 * $NVIDIA_STUB_STREAMS/{width}x{height}.h264: Annex B, each with a delimiter, without B-frames. NVIDIA_STUB says
 * what fails, and how: `CALL=NUMBER`, several separated by commas, as in `cuInit=100` (a CUresult) or
 * `EncodePicture=20` (an NVENCSTATUS); also `devices=0`, and `version=160` for NVENC 10.0 (10 << 4).
 *
 * Layouts: nv-codec-headers, nvEncodeAPI.h; only fields that no version has moved are touched.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int given(const char *name, int otherwise) {
    const char *all = getenv("NVIDIA_STUB");
    size_t length = strlen(name);
    for (const char *at = all; at && *at; at = strchr(at, ',') ? strchr(at, ',') + 1 : NULL)
        if (!strncmp(at, name, length) && at[length] == '=')
            return atoi(at + length + 1);
    return otherwise;
}

/* -- libcuda */

int cuInit(unsigned flags) { return given("cuInit", 0); }
int cuDeviceGetCount(int *count) { *count = given("devices", 1); return given("cuDeviceGetCount", 0); }
int cuDeviceGet(int *device, int ordinal) { *device = ordinal; return given("cuDeviceGet", 0); }
int cuDeviceGetName(char *name, int length, int device) { strncpy(name, "Tesla T4", length); return 0; }
int cuDeviceComputeCapability(int *major, int *minor, int device) { *major = 7; *minor = 5; return 0; }
int cuCtxCreate_v2(void **context, unsigned flags, int device) { *context = malloc(1); return given("cuCtxCreate", 0); }
int cuCtxPushCurrent_v2(void *context) { return given("cuCtxPushCurrent", 0); }
int cuCtxPopCurrent_v2(void **context) { return given("cuCtxPopCurrent", 0); }
int cuCtxDestroy_v2(void *context) { return 0; }

/* The driver's own words: CUresult in cuda.h. */
static const struct { int number; const char *name, *words; } RESULTS[] = {
    {2, "CUDA_ERROR_OUT_OF_MEMORY", "out of memory"},
    {46, "CUDA_ERROR_DEVICE_UNAVAILABLE", "CUDA-capable device(s) is/are busy or unavailable"},
    {100, "CUDA_ERROR_NO_DEVICE", "no CUDA-capable device is detected"},
    {101, "CUDA_ERROR_INVALID_DEVICE", "invalid device ordinal"},
    {214, "CUDA_ERROR_ECC_UNCORRECTABLE", "uncorrectable ECC error encountered"},
    {304, "CUDA_ERROR_OPERATING_SYSTEM", "OS call failed or operation not supported on this OS"},
    {700, "CUDA_ERROR_ILLEGAL_ADDRESS", "an illegal memory access was encountered"},
    {719, "CUDA_ERROR_LAUNCH_FAILED", "unspecified launch failure"},
    {803, "CUDA_ERROR_SYSTEM_DRIVER_MISMATCH", "system has unsupported display driver / cuda driver combination"},
    {999, "CUDA_ERROR_UNKNOWN", "unknown error"},
};

static int told(int number, const char **words, int name) {
    for (size_t i = 0; i < sizeof RESULTS / sizeof *RESULTS; i++)
        if (RESULTS[i].number == number) {
            *words = name ? RESULTS[i].name : RESULTS[i].words;
            return 0;
        }
    *words = NULL;
    return 1;
}

int cuGetErrorName(int number, const char **name) { return told(number, name, 1); }
int cuGetErrorString(int number, const char **words) { return told(number, words, 0); }

/* Looked up by FFmpeg and not called in an encode from main memory. */
#define UNUSED(name) int name(void) { return 0; }
UNUSED(cuArray3DCreate_v2) UNUSED(cuArray3DGetDescriptor_v2) UNUSED(cuArrayCreate_v2) UNUSED(cuArrayDestroy)
UNUSED(cuArrayGetPlane) UNUSED(cuCtxGetCurrent) UNUSED(cuCtxGetDevice) UNUSED(cuCtxGetStreamPriorityRange)
UNUSED(cuCtxSetLimit) UNUSED(cuCtxSynchronize) UNUSED(cuDeviceGetAttribute) UNUSED(cuDeviceGetByPCIBusId)
UNUSED(cuDeviceGetPCIBusId) UNUSED(cuDevicePrimaryCtxGetState) UNUSED(cuDevicePrimaryCtxRelease)
UNUSED(cuDevicePrimaryCtxReset) UNUSED(cuDevicePrimaryCtxRetain) UNUSED(cuDevicePrimaryCtxSetFlags)
UNUSED(cuDriverGetVersion) UNUSED(cuEventCreate) UNUSED(cuEventDestroy_v2) UNUSED(cuEventQuery)
UNUSED(cuEventRecord) UNUSED(cuEventSynchronize) UNUSED(cuGLGetDevices_v2) UNUSED(cuGraphicsGLRegisterImage)
UNUSED(cuGraphicsMapResources) UNUSED(cuGraphicsResourceGetMappedPointer_v2)
UNUSED(cuGraphicsSubResourceGetMappedArray) UNUSED(cuGraphicsUnmapResources)
UNUSED(cuGraphicsUnregisterResource) UNUSED(cuLaunchHostFunc) UNUSED(cuLaunchKernel) UNUSED(cuLinkAddData)
UNUSED(cuLinkComplete) UNUSED(cuLinkCreate) UNUSED(cuLinkDestroy) UNUSED(cuMemAllocAsync)
UNUSED(cuMemAllocManaged) UNUSED(cuMemAllocPitch_v2) UNUSED(cuMemAlloc_v2) UNUSED(cuMemFreeAsync)
UNUSED(cuMemFreeHost) UNUSED(cuMemFree_v2) UNUSED(cuMemHostAlloc) UNUSED(cuMemcpy) UNUSED(cuMemcpy2DAsync_v2)
UNUSED(cuMemcpy2D_v2) UNUSED(cuMemcpyAsync) UNUSED(cuMemcpyDtoDAsync_v2) UNUSED(cuMemcpyDtoD_v2)
UNUSED(cuMemcpyDtoHAsync_v2) UNUSED(cuMemcpyDtoH_v2) UNUSED(cuMemcpyHtoDAsync_v2) UNUSED(cuMemcpyHtoD_v2)
UNUSED(cuMemsetD16Async) UNUSED(cuMemsetD2D16Async) UNUSED(cuMemsetD2D32Async) UNUSED(cuMemsetD2D8Async)
UNUSED(cuMemsetD32Async) UNUSED(cuMemsetD8Async) UNUSED(cuModuleGetFunction) UNUSED(cuModuleGetGlobal)
UNUSED(cuModuleLoadData) UNUSED(cuModuleUnload) UNUSED(cuStreamAddCallback) UNUSED(cuStreamCreate)
UNUSED(cuStreamCreateWithPriority) UNUSED(cuStreamDestroy_v2) UNUSED(cuStreamQuery) UNUSED(cuStreamSynchronize)
UNUSED(cuStreamWaitEvent) UNUSED(cuTexObjectCreate) UNUSED(cuTexObjectDestroy)

/* -- libnvidia-encode */

typedef struct { uint32_t a; uint16_t b, c; uint8_t d[8]; } Guid;
static const Guid H264 = {0x6bc82762, 0x4e63, 0x4ca4, {0xaa, 0x85, 0x1e, 0x50, 0xf3, 0x21, 0xf6, 0xbf}};

#define PITCH 4096
static char *pixels;
static unsigned char stream[1 << 20];
static size_t stream_bytes, at;
static uint64_t times[1024];
static int taken, given_out;

/* The end of the access unit that begins at `from`, or of its parameter sets. */
static size_t end_of(size_t from, int parameter_sets) {
    for (size_t i = from + 5; i + 5 < stream_bytes; i++)
        if (!memcmp(stream + i, "\0\0\1", 3)) {
            int type = stream[i + 3] & 31;
            if (parameter_sets ? type != 7 && type != 8 : type == 9)
                return i - (stream[i - 1] == 0);
        }
    return stream_bytes;
}

static int guid_count(void *encoder, uint32_t *count) { *count = 1; return 0; }
static int guids(void *encoder, Guid *found, uint32_t size, uint32_t *count) { *found = H264; *count = 1; return 0; }
static int caps(void *encoder, Guid codec, void *asked, int *value) { *value = given("caps", 8192); return 0; }
/* Both are left as they were handed over, but for a rate control that asks nothing. */
static int preset(void *encoder, Guid codec, Guid preset, void *config) { return given("GetEncodePresetConfig", 0); }
static int preset_ex(void *encoder, Guid codec, Guid preset, int tuning, void *config) { return given("GetEncodePresetConfig", 0); }
static int initialize(void *encoder, char *parameters) {
    char name[4096];
    const char *folder = getenv("NVIDIA_STUB_STREAMS");
    snprintf(name, sizeof name, "%s/%ux%u.h264", folder ? folder : "", *(uint32_t *)(parameters + 36),
             *(uint32_t *)(parameters + 40));
    FILE *file = fopen(name, "rb");
    if (file) {
        stream_bytes = fread(stream, 1, sizeof stream, file);
        fclose(file);
    }
    return given("InitializeEncoder", 0);
}
static int create_input(void *encoder, char *made) { *(void **)(made + 24) = malloc(1); return given("CreateInputBuffer", 0); }
static int create_output(void *encoder, char *made) { *(void **)(made + 16) = malloc(1); return given("CreateBitstreamBuffer", 0); }
static int lock_input(void *encoder, char *lock) {
    if (!pixels)
        pixels = calloc(PITCH, 4096);
    *(void **)(lock + 16) = pixels;
    *(uint32_t *)(lock + 24) = PITCH;
    return given("LockInputBuffer", 0);
}
static int sequence(void *encoder, char *asked) {
    /* After the first delimiter, of 6 bytes. */
    static const char bare[] = {0, 0, 0, 1, 0x67, 100, 0, 40, 0, 0, 0, 1, 0x68, 0};
    size_t size = stream_bytes ? end_of(6, 1) - 6 : sizeof bare;
    memcpy(*(void **)(asked + 16), stream_bytes ? (const char *)stream + 6 : bare, size);
    **(uint32_t **)(asked + 24) = size;
    return 0;
}
static int encode(void *encoder, char *picture) {
    int fault = given("EncodePicture", 0);
    if (!fault && *(void **)(picture + 40))
        times[taken++ % 1024] = *(uint64_t *)(picture + 24);
    return fault;
}
static int lock_output(void *encoder, char *lock) {
    size_t end = end_of(at, 0);
    *(uint32_t *)(lock + 36) = end - at;
    *(uint64_t *)(lock + 40) = times[given_out % 1024];
    *(void **)(lock + 56) = stream + at;
    *(uint32_t *)(lock + 64) = given_out++ ? 0 : 3; /* P, and IDR at first */
    at = end;
    return given("LockBitstream", stream_bytes ? 0 : 20);
}
static int open_session(void *asked, void **encoder) { *encoder = malloc(1); return given("OpenEncodeSessionEx", 0); }
static const char *last_error(void *encoder) { return ""; }
static int nothing(void) { return 0; }

int NvEncodeAPIGetMaxSupportedVersion(uint32_t *version) { *version = given("version", 15 << 4); return 0; }

/* Places in NV_ENCODE_API_FUNCTION_LIST, after its version and a reserved word. */
int NvEncodeAPICreateInstance(char *list) {
    void **function = (void **)(list + 8);
    for (int i = 0; i < 43; i++)
        function[i] = nothing;
    function[1] = guid_count;
    function[4] = guids;
    function[7] = caps;
    function[10] = preset;
    function[11] = initialize;
    function[12] = create_input;
    function[14] = create_output;
    function[16] = encode;
    function[17] = lock_output;
    function[19] = lock_input;
    function[22] = sequence;
    function[29] = open_session;
    function[37] = last_error;
    function[39] = preset_ex;
    return given("CreateInstance", 0);
}
