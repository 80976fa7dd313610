/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ek_model.h over the interpreter of TFLite Micro. Compiled with the generated model.c (what
 * ek_model_get_info returns), model_data.c (the .tflite) and model_ops.h (its operators).
 *
 * Only what every TFLite Micro since 2022 shares is used, so that the same file serves the upstream
 * tree, esp-tflite-micro, pico-tflmicro and the Arduino library. The model's operators are registered
 * with their functions replaced by ours, which call the original: TFLite Micro has no other hook that
 * is compiled into every build, sees each operator's output, and can stop a run.
 *
 * No heap, no exceptions, no RTTI, no static constructors. Nothing here prints; TFLite Micro itself
 * does, through DebugLog, when it fails.
 */
#include <new>
#include <utility>

#include "edgekit/ek_model.h"
#include "edgekit/ek_port.h"
#include "model.h"
#include "model_data.h"
#include "model_ops.h"
#include "tensorflow/lite/c/common.h"
#include "tensorflow/lite/micro/micro_interpreter.h"
#include "tensorflow/lite/micro/micro_mutable_op_resolver.h"
#include "tensorflow/lite/schema/schema_generated.h"

extern "C" __attribute__((weak)) void ek_port_relax(void) {}

namespace {

constexpr size_t kKinds = EK_MODEL_OP_KINDS;
constexpr size_t kArenaAlignment = 16;
/* The interface writes what is allocated for this status no line in the log: it means kTfLiteAbort, which
 * only later versions name. */
constexpr TfLiteStatus kStopped = static_cast<TfLiteStatus>(15);

using Ops = tflite::MicroMutableOpResolver<EK_MODEL_OP_KINDS>;
/* TFLMRegistration, or TfLiteRegistration before 2023. */
using Registration = decltype(tflite::Register_SOFTMAX());

/* Finds the model's operators, each with our functions around its own. */
class ObservedOps : public tflite::MicroOpResolver {
  public:
    const Registration *FindOp(tflite::BuiltinOperator op) const override;
    const Registration *FindOp(const char *) const override {
        return nullptr;
    }
    tflite::TfLiteBridgeBuiltinParseFunction GetOpDataParser(tflite::BuiltinOperator op) const override;

  private:
    /* There is no heap that the virtual destructor could give the object back to. */
    void operator delete(void *) {}
};

/* Room for an object that is made when it is needed: a static object would need a constructor. */
template <typename T> struct Room {
    alignas(T) unsigned char bytes[sizeof(T)];
    T *object; /* NULL: none */

    template <typename... Arguments> T *make(Arguments &&...arguments) {
        clear();
        object = new (bytes) T(std::forward<Arguments>(arguments)...);
        return object;
    }
    void clear() {
        if (object != nullptr) {
            object->~T();
            object = nullptr;
        }
    }
};

/* Why ek_model_init failed, as far as TFLite Micro's calls of our functions tell. */
enum class Refusal : uint8_t { kNone, kArena, kOperator };

struct Engine {
    Room<Ops> ops;
    Room<ObservedOps> observed_ops;
    Room<tflite::MicroInterpreter> interpreter;
    const Registration *plain[kKinds];
    Registration observed[kKinds];
    size_t arena_bytes;
    uint32_t op; /* the operator that runs next */
    Refusal refusal;
    bool ready;
    uint32_t rows_done; /* rows of input 0 that were handed over for the next run */
    bool stopped;
    ek_op_observer observer;
    void *observer_context;
};

Engine engine; /* zero at start-up, as anything static */

/*
 * Whether the arena still has what any one operator may ask for. Kernels use what they allocate without
 * looking whether it was there, so this must be known before they run.
 */
bool arena_suffices() {
    const size_t used_bytes = engine.interpreter.object->arena_used_bytes();
    if (engine.arena_bytes < used_bytes + EK_MODEL_PREPARE_BYTES) {
        engine.refusal = Refusal::kArena;
    }
    return engine.refusal != Refusal::kArena;
}

void *init_op(size_t kind, TfLiteContext *context, const char *options, size_t size_bytes) {
    return arena_suffices() ? engine.plain[kind]->init(context, options, size_bytes) : nullptr;
}

TfLiteStatus prepare_op(size_t kind, TfLiteContext *context, TfLiteNode *node) {
    if (!arena_suffices()) {
        return kTfLiteError;
    }
    const TfLiteStatus status = engine.plain[kind]->prepare(context, node);
    if (status != kTfLiteOk) {
        engine.refusal = Refusal::kOperator;
    }
    return status;
}

size_t element_count(const TfLiteEvalTensor *tensor) {
    size_t count = 1;
    for (int i = 0; i < tensor->dims->size; ++i) {
        count *= static_cast<size_t>(tensor->dims->data[i]);
    }
    return count;
}

/* The output lies in the arena until the next operator runs: nothing need be kept for the observer. */
TfLiteStatus invoke_op(size_t kind, TfLiteContext *context, TfLiteNode *node) {
    const TfLiteStatus status = engine.plain[kind]->invoke(context, node);
    if (status != kTfLiteOk) {
        return status;
    }
    ek_port_relax();
    const uint32_t op = engine.op++;
    if (engine.observer == nullptr) {
        return kTfLiteOk;
    }
    const TfLiteEvalTensor *output = context->GetEvalTensor(context, node->outputs->data[0]);
    const uint32_t size_bytes = static_cast<uint32_t>(element_count(output));
    const ek_op_rows rows = {op, output->data.int8, 0, size_bytes, size_bytes};
    if (engine.observer(engine.observer_context, &rows) == 0) {
        return kTfLiteOk;
    }
    engine.stopped = true;
    return kStopped;
}

/* A registration's functions are not told which operator they belong to: one set for each kind. */
template <size_t kKind> struct Observed {
    static void *init(TfLiteContext *context, const char *options, size_t size_bytes) {
        return init_op(kKind, context, options, size_bytes);
    }
    static TfLiteStatus prepare(TfLiteContext *context, TfLiteNode *node) {
        return prepare_op(kKind, context, node);
    }
    static TfLiteStatus invoke(TfLiteContext *context, TfLiteNode *node) {
        return invoke_op(kKind, context, node);
    }
};

template <size_t kKind> bool observe() {
    const Registration *plain = engine.ops.object->FindOp(ek_model_op_kinds[kKind]);
    if (plain == nullptr) {
        return false;
    }
    Registration &observed = engine.observed[kKind];
    engine.plain[kKind] = plain;
    observed = *plain;
    if (plain->init != nullptr) {
        observed.init = Observed<kKind>::init;
    }
    if (plain->prepare != nullptr) {
        observed.prepare = Observed<kKind>::prepare;
    }
    observed.invoke = Observed<kKind>::invoke;
    return true;
}

/* Recursion instead of a fold: Arduino's cores compile C++14. */
template <size_t kKind> struct ObserveFrom {
    static bool all() {
        return observe<kKind>() && ObserveFrom<kKind + 1>::all();
    }
};

template <> struct ObserveFrom<kKinds> {
    static bool all() {
        return true;
    }
};

const Registration *ObservedOps::FindOp(tflite::BuiltinOperator op) const {
    for (const Registration &registration : engine.observed) {
        if (registration.builtin_code == op) {
            return &registration;
        }
    }
    engine.refusal = Refusal::kOperator;
    return nullptr;
}

tflite::TfLiteBridgeBuiltinParseFunction ObservedOps::GetOpDataParser(tflite::BuiltinOperator op) const {
    return engine.ops.object->GetOpDataParser(op);
}

bool register_ops() {
    if (engine.ops.object != nullptr) {
        return true;
    }
    engine.observed_ops.make();
    return ek_model_add_ops(*engine.ops.make()) == kTfLiteOk && ObserveFrom<0>::all();
}

} /* namespace */

extern "C" ek_status ek_model_init(void *arena, size_t arena_bytes) {
    engine.ready = false;
    engine.rows_done = 0;
    engine.interpreter.clear();
    if (arena == nullptr || reinterpret_cast<uintptr_t>(arena) % kArenaAlignment != 0 ||
        arena_bytes < EK_MODEL_ARENA_BYTES || arena_bytes < EK_MODEL_PREPARE_BYTES) {
        return EK_ERR_ARENA;
    }
    const tflite::Model *model = tflite::GetModel(model_data);
    if (model->version() != TFLITE_SCHEMA_VERSION || !register_ops()) {
        return EK_ERR_ENGINE;
    }
    engine.arena_bytes = arena_bytes;
    engine.refusal = Refusal::kNone;
    tflite::MicroInterpreter *interpreter = engine.interpreter.make(
        model, *engine.observed_ops.object, static_cast<uint8_t *>(arena), arena_bytes);
    if (interpreter->AllocateTensors() != kTfLiteOk) {
        return engine.refusal == Refusal::kOperator ? EK_ERR_ENGINE : EK_ERR_ARENA;
    }
    engine.ready = true;
    return EK_OK;
}

extern "C" int8_t *ek_model_input(unsigned index) {
    tflite::MicroInterpreter *interpreter = engine.interpreter.object;
    return engine.ready && index < interpreter->inputs_size() ? interpreter->input(index)->data.int8
                                                              : nullptr;
}

extern "C" int8_t *ek_model_next_row(void) {
    const ek_model_info *info = ek_model_get_info();
    const uint32_t offset = engine.rows_done * info->input_row_bytes;
    return engine.ready && offset != info->inputs[0].size_bytes ? ek_model_input(0) + offset : nullptr;
}

extern "C" ek_status ek_model_row_done(void) {
    if (ek_model_next_row() == nullptr) {
        return EK_ERR_NOT_READY;
    }
    engine.rows_done++;
    return EK_OK;
}

extern "C" ek_status ek_model_feed_rows(const int8_t *rows, uint32_t count) {
    const uint32_t row_bytes = ek_model_get_info()->input_row_bytes;
    for (; count > 0; count--) {
        int8_t *row = ek_model_next_row();
        for (uint32_t i = 0; i < row_bytes && row != nullptr; i++) {
            row[i] = *rows++;
        }
        if (ek_model_row_done() != EK_OK) {
            return EK_ERR_NOT_READY;
        }
    }
    return EK_OK;
}

extern "C" void ek_model_forget_rows(void) {
    engine.rows_done = 0;
}

extern "C" ek_status ek_model_invoke(void) {
    if (!engine.ready || (engine.rows_done != 0 && ek_model_next_row() != nullptr)) {
        return EK_ERR_NOT_READY;
    }
    engine.rows_done = 0;
    engine.op = 0;
    engine.stopped = false;
    const TfLiteStatus status = engine.interpreter.object->Invoke();
    if (engine.stopped) {
        return EK_ERR_STOPPED;
    }
    return status == kTfLiteOk ? EK_OK : EK_ERR_ENGINE;
}

extern "C" const int8_t *ek_model_output(unsigned index) {
    tflite::MicroInterpreter *interpreter = engine.interpreter.object;
    return engine.ready && index < interpreter->outputs_size() ? interpreter->output(index)->data.int8
                                                               : nullptr;
}

extern "C" size_t ek_model_arena_used_bytes(void) {
    return engine.ready ? engine.interpreter.object->arena_used_bytes() : 0;
}

extern "C" void ek_model_set_observer(ek_op_observer observer, void *context) {
    engine.observer = observer;
    engine.observer_context = context;
}
