//! Every architecture with its numbers.

use super::{ArchInfo, Family, Naming, Plan};
use super::{convnext, densenet, excite, mobilenet, nasnet, resnet, vit};

const fn resnet(
    name: &'static str,
    naming: Naming,
    block: resnet::Block,
    repeats: [usize; 4],
) -> ArchInfo {
    resnext(name, Family::ResNet, naming, resnet::Plan { block, repeats, groups: 1, base: 64 })
}

const fn resnext(
    name: &'static str,
    family: Family,
    naming: Naming,
    plan: resnet::Plan,
) -> ArchInfo {
    let penultimate = match naming {
        Naming::Torchvision | Naming::Lukemelas | Naming::Caffe | Naming::Keras => "avgpool",
        Naming::Timm | Naming::Transformers => "global_pool",
    };
    let plan = Plan::ResNet(plan);
    ArchInfo { name, family, naming, size: 224, penultimate, logits: "fc", plan }
}

/// Three convolutions a block, `groups` groups of the second, each `base` wide.
const fn bottleneck(repeats: [usize; 4], groups: usize, base: usize) -> resnet::Plan {
    resnet::Plan { block: resnet::Block::Bottleneck, repeats, groups, base }
}

const fn mobile(
    name: &'static str,
    family: Family,
    naming: Naming,
    size: usize,
    plan: mobilenet::Plan,
) -> ArchInfo {
    let (penultimate, logits) = match naming {
        Naming::Torchvision | Naming::Caffe => ("pool", "classifier.1"),
        Naming::Keras => ("global_average_pooling2d", "predictions"),
        Naming::Timm | Naming::Transformers => ("global_pool", "classifier"),
        Naming::Lukemelas => ("_avg_pooling", "_fc"),
    };
    ArchInfo { name, family, naming, size, penultimate, logits, plan: Plan::Mobile(plan) }
}

/// In torchvision's names.
const fn tv(
    name: &'static str,
    family: Family,
    size: usize,
    [penultimate, logits]: [&'static str; 2],
    plan: Plan,
) -> ArchInfo {
    ArchInfo { name, family, naming: Naming::Torchvision, size, penultimate, logits, plan }
}

const fn vgg(name: &'static str, repeats: [usize; 5], norm: bool) -> ArchInfo {
    let ends = ["classifier.4", "classifier.6"];
    tv(name, Family::Vgg, 224, ends, Plan::Vgg(repeats, norm))
}

const fn densenet(name: &'static str, growth: usize, layers: [usize; 4], stem: usize) -> ArchInfo {
    let plan = Plan::DenseNet(densenet::Plan { growth, layers, stem });
    tv(name, Family::DenseNet, 224, ["pool", "classifier"], plan)
}

const fn efficientnet(
    name: &'static str,
    size: usize,
    [width, depth]: [f64; 2],
    dropout: f32,
    eps: f32,
) -> ArchInfo {
    let plan = Plan::EfficientNet(excite::Efficient { width, depth, dropout, eps, same: false });
    tv(name, Family::EfficientNet, size, ["avgpool", "classifier.1"], plan)
}

/// timm's own, or with `same` those that came from `TensorFlow`, with its padding and epsilon.
const fn timm_efficientnet(
    name: &'static str,
    size: usize,
    [width, depth]: [f64; 2],
    same: bool,
) -> ArchInfo {
    let eps = if same { 1e-3 } else { 1e-5 };
    let plan = Plan::EfficientNet(excite::Efficient { width, depth, dropout: 0.0, eps, same });
    timm_head(name, Family::EfficientNet, size, plan)
}

const fn timm_head(name: &'static str, family: Family, size: usize, plan: Plan) -> ArchInfo {
    let naming = Naming::Timm;
    ArchInfo { name, family, naming, size, penultimate: "global_pool", logits: "classifier", plan }
}

const fn convnext(
    name: &'static str,
    naming: Naming,
    depths: [usize; 4],
    widths: [usize; 4],
) -> ArchInfo {
    let [penultimate, logits] = match naming {
        Naming::Timm | Naming::Transformers => ["head.norm", "head.fc"],
        Naming::Torchvision | Naming::Lukemelas | Naming::Caffe => ["classifier.0", "classifier.2"],
        Naming::Keras => ["head_layernorm", "head_dense"],
    };
    let plan = Plan::ConvNext(convnext::Plan { depths, widths });
    ArchInfo { name, family: Family::ConvNext, naming, size: 224, penultimate, logits, plan }
}

/// Depth, heads and width of a transformer.
const fn vit(
    name: &'static str,
    family: Family,
    naming: Naming,
    patch: usize,
    [depth, heads, width]: [usize; 3],
) -> ArchInfo {
    let scaled = matches!(family, Family::DinoV2);
    let logits = match naming {
        _ if scaled => "class",
        Naming::Timm | Naming::Transformers => "head",
        Naming::Torchvision | Naming::Lukemelas | Naming::Caffe | Naming::Keras => "heads.head",
    };
    let plan = Plan::Vit(vit::Plan { patch, depth, heads, width, scaled });
    ArchInfo { name, family, naming, size: 224, penultimate: "class", logits, plan }
}

/// In Keras's names.
const fn keras(name: &'static str, family: Family, size: usize, plan: Plan) -> ArchInfo {
    let pool = if matches!(family, Family::NasNet | Family::MobileNet) {
        "global_average_pooling2d"
    } else if matches!(family, Family::Vgg) {
        "fc2_relu"
    } else {
        "avg_pool"
    };
    let scores = if matches!(family, Family::MobileNet) { "conv_preds" } else { "predictions" };
    let ends = [pool, scores];
    ArchInfo { naming: Naming::Keras, ..tv(name, family, size, ends, plan) }
}

/// In Keras: `TensorFlow`'s padding and epsilon.
const fn keras_efficientnet(
    name: &'static str,
    size: usize,
    [width, depth]: [f64; 2],
    dropout: f32,
) -> ArchInfo {
    let plan = excite::Efficient { width, depth, dropout, eps: 1e-3, same: true };
    keras(name, Family::EfficientNet, size, Plan::EfficientNet(plan))
}

const fn keras_mobilenet_v3(name: &'static str, plan: excite::V3) -> ArchInfo {
    let ends = ["global_average_pooling2d", "logits"];
    let info = tv(name, Family::MobileNetV3, 224, ends, Plan::MobileNetV3(plan));
    ArchInfo { naming: Naming::Keras, ..info }
}

/// The same under timm's name.
const fn timm(name: &'static str, penultimate: &'static str, info: ArchInfo) -> ArchInfo {
    ArchInfo { name, naming: Naming::Timm, penultimate, ..info }
}

/// The same for the pictures of 518 pixels that `DINOv2` was published for: the positions of its weights
/// fit no other size.
const fn large(info: ArchInfo) -> ArchInfo {
    ArchInfo { size: 518, ..info }
}

const TINY: [usize; 3] = [12, 3, 192];
const SMALL: [usize; 3] = [12, 6, 384];
const BASE: [usize; 3] = [12, 12, 768];
const LARGE: [usize; 3] = [24, 16, 1024];

const INCEPTION: ArchInfo =
    tv("torchvision/inception_v3", Family::InceptionV3, 299, ["avgpool", "fc"], Plan::InceptionV3);

const DENSE_121: ArchInfo = densenet("torchvision/densenet121", 32, [6, 12, 24, 16], 64);
const DENSE_161: ArchInfo = densenet("torchvision/densenet161", 48, [6, 12, 36, 24], 96);
const DENSE_169: ArchInfo = densenet("torchvision/densenet169", 32, [6, 12, 32, 32], 64);
const DENSE_201: ArchInfo = densenet("torchvision/densenet201", 32, [6, 12, 48, 32], 64);

const NEXT_TINY: [[usize; 4]; 2] = [[3, 3, 9, 3], [96, 192, 384, 768]];
const NEXT_SMALL: [[usize; 4]; 2] = [[3, 3, 27, 3], [96, 192, 384, 768]];
const NEXT_BASE: [[usize; 4]; 2] = [[3, 3, 27, 3], [128, 256, 512, 1024]];
const NEXT_LARGE: [[usize; 4]; 2] = [[3, 3, 27, 3], [192, 384, 768, 1536]];

const NASNET_MOBILE: Plan =
    Plan::NasNet(nasnet::Plan { cells: 4, stem: 32, penultimate: 1056, skip: false });
const NASNET_LARGE: Plan =
    Plan::NasNet(nasnet::Plan { cells: 6, stem: 96, penultimate: 4032, skip: true });

const fn dense(growth: usize, layers: [usize; 4], stem: usize) -> Plan {
    Plan::KerasDenseNet(densenet::Plan { growth, layers, stem })
}

pub(super) const ARCHITECTURES: &[ArchInfo] = {
    use Family::{
        AlexNet, CaffeNet, Dcgan, Deit, DenseNet, DinoV2, EfficientNetLite, GoogLeNet, InceptionV3,
        MobileNet, MobileNetV2, MobileNetV3, NasNet, ResNeXt, ResNet, ResNetV2, SqueezeNet, Vgg,
        Vit, WideResNet, Xception,
    };
    use Naming::{Caffe, Keras, Lukemelas, Timm, Torchvision, Transformers};
    use mobilenet::{LITE0, LITE1, LITE2, V2};
    use resnet::Block::{Basic, Bottleneck};
    &[
        resnet("torchvision/resnet18", Torchvision, Basic, [2, 2, 2, 2]),
        resnet("torchvision/resnet34", Torchvision, Basic, [3, 4, 6, 3]),
        resnet("torchvision/resnet50", Torchvision, Bottleneck, [3, 4, 6, 3]),
        resnet("torchvision/resnet101", Torchvision, Bottleneck, [3, 4, 23, 3]),
        resnet("torchvision/resnet152", Torchvision, Bottleneck, [3, 8, 36, 3]),
        resnext(
            "torchvision/resnext50_32x4d",
            ResNeXt,
            Torchvision,
            bottleneck([3, 4, 6, 3], 32, 4),
        ),
        resnext(
            "torchvision/resnext101_32x8d",
            ResNeXt,
            Torchvision,
            bottleneck([3, 4, 23, 3], 32, 8),
        ),
        resnext(
            "torchvision/resnext101_64x4d",
            ResNeXt,
            Torchvision,
            bottleneck([3, 4, 23, 3], 64, 4),
        ),
        resnext(
            "torchvision/wide_resnet50_2",
            WideResNet,
            Torchvision,
            bottleneck([3, 4, 6, 3], 1, 128),
        ),
        resnext(
            "torchvision/wide_resnet101_2",
            WideResNet,
            Torchvision,
            bottleneck([3, 4, 23, 3], 1, 128),
        ),
        resnet("timm/resnet18", Timm, Basic, [2, 2, 2, 2]),
        resnet("timm/resnet34", Timm, Basic, [3, 4, 6, 3]),
        resnet("timm/resnet50", Timm, Bottleneck, [3, 4, 6, 3]),
        resnet("timm/resnet101", Timm, Bottleneck, [3, 4, 23, 3]),
        resnet("timm/resnet152", Timm, Bottleneck, [3, 8, 36, 3]),
        resnext("timm/resnext50_32x4d", ResNeXt, Timm, bottleneck([3, 4, 6, 3], 32, 4)),
        resnext("timm/wide_resnet50_2", WideResNet, Timm, bottleneck([3, 4, 6, 3], 1, 128)),
        resnet("timm/resnet26", Timm, Bottleneck, [2, 2, 2, 2]),
        resnext("timm/resnext101_32x8d", ResNeXt, Timm, bottleneck([3, 4, 23, 3], 32, 8)),
        resnext("timm/resnext101_64x4d", ResNeXt, Timm, bottleneck([3, 4, 23, 3], 64, 4)),
        resnext("timm/wide_resnet101_2", WideResNet, Timm, bottleneck([3, 4, 23, 3], 1, 128)),
        mobile("torchvision/mobilenet_v2", MobileNetV2, Torchvision, 224, V2),
        mobile("timm/mobilenetv2_100", MobileNetV2, Timm, 224, V2),
        mobile("timm/efficientnet_lite0", EfficientNetLite, Timm, 224, LITE0),
        mobile("timm/efficientnet_lite1", EfficientNetLite, Timm, 240, LITE1),
        mobile("timm/efficientnet_lite2", EfficientNetLite, Timm, 260, LITE2),
        mobile("lukemelas/efficientnet-lite0", EfficientNetLite, Lukemelas, 224, LITE0),
        mobile("lukemelas/efficientnet-lite1", EfficientNetLite, Lukemelas, 240, LITE1),
        mobile("lukemelas/efficientnet-lite2", EfficientNetLite, Lukemelas, 260, LITE2),
        tv("torchvision/alexnet", AlexNet, 224, ["classifier.5", "classifier.6"], Plan::AlexNet),
        vgg("torchvision/vgg11", [1, 1, 2, 2, 2], false),
        vgg("torchvision/vgg13", [2, 2, 2, 2, 2], false),
        vgg("torchvision/vgg16", [2, 2, 3, 3, 3], false),
        vgg("torchvision/vgg19", [2, 2, 4, 4, 4], false),
        vgg("torchvision/vgg11_bn", [1, 1, 2, 2, 2], true),
        vgg("torchvision/vgg13_bn", [2, 2, 2, 2, 2], true),
        vgg("torchvision/vgg16_bn", [2, 2, 3, 3, 3], true),
        vgg("torchvision/vgg19_bn", [2, 2, 4, 4, 4], true),
        tv(
            "torchvision/squeezenet1_0",
            SqueezeNet,
            224,
            ["features_pool", "classifier.3"],
            Plan::SqueezeNet(false),
        ),
        tv(
            "torchvision/squeezenet1_1",
            SqueezeNet,
            224,
            ["features_pool", "classifier.3"],
            Plan::SqueezeNet(true),
        ),
        tv("torchvision/googlenet", GoogLeNet, 224, ["avgpool", "fc"], Plan::GoogLeNet),
        INCEPTION,
        timm("timm/inception_v3", "global_pool", INCEPTION),
        DENSE_121,
        DENSE_161,
        DENSE_169,
        DENSE_201,
        timm("timm/densenet121", "global_pool", DENSE_121),
        timm("timm/densenet161", "global_pool", DENSE_161),
        timm("timm/densenet169", "global_pool", DENSE_169),
        timm("timm/densenet201", "global_pool", DENSE_201),
        tv(
            "torchvision/mobilenet_v3_small",
            MobileNetV3,
            224,
            ["avgpool", "classifier.3"],
            Plan::MobileNetV3(excite::SMALL),
        ),
        tv(
            "torchvision/mobilenet_v3_large",
            MobileNetV3,
            224,
            ["avgpool", "classifier.3"],
            Plan::MobileNetV3(excite::LARGE),
        ),
        efficientnet("torchvision/efficientnet_b0", 224, [1.0, 1.0], 0.2, 1e-5),
        efficientnet("torchvision/efficientnet_b1", 240, [1.0, 1.1], 0.2, 1e-5),
        efficientnet("torchvision/efficientnet_b2", 288, [1.1, 1.2], 0.3, 1e-5),
        efficientnet("torchvision/efficientnet_b3", 300, [1.2, 1.4], 0.3, 1e-5),
        efficientnet("torchvision/efficientnet_b4", 380, [1.4, 1.8], 0.4, 1e-5),
        efficientnet("torchvision/efficientnet_b5", 456, [1.6, 2.2], 0.4, 1e-3),
        efficientnet("torchvision/efficientnet_b6", 528, [1.8, 2.6], 0.5, 1e-3),
        efficientnet("torchvision/efficientnet_b7", 600, [2.0, 3.1], 0.5, 1e-3),
        timm_head("timm/mobilenetv3_small_100", MobileNetV3, 224, Plan::MobileNetV3(excite::SMALL)),
        timm_head("timm/mobilenetv3_large_100", MobileNetV3, 224, Plan::MobileNetV3(excite::LARGE)),
        timm_efficientnet("timm/efficientnet_b0", 224, [1.0, 1.0], false),
        timm_efficientnet("timm/efficientnet_b1", 240, [1.0, 1.1], false),
        timm_efficientnet("timm/efficientnet_b2", 256, [1.1, 1.2], false),
        timm_efficientnet("timm/efficientnet_b3", 288, [1.2, 1.4], false),
        timm_efficientnet("timm/efficientnet_b4", 320, [1.4, 1.8], false),
        timm_efficientnet("timm/efficientnet_b5", 448, [1.6, 2.2], false),
        timm_efficientnet("timm/efficientnet_b6", 528, [1.8, 2.6], false),
        timm_efficientnet("timm/efficientnet_b7", 600, [2.0, 3.1], false),
        timm_efficientnet("timm/tf_efficientnet_b0", 224, [1.0, 1.0], true),
        timm_efficientnet("timm/tf_efficientnet_b1", 240, [1.0, 1.1], true),
        timm_efficientnet("timm/tf_efficientnet_b2", 260, [1.1, 1.2], true),
        timm_efficientnet("timm/tf_efficientnet_b3", 300, [1.2, 1.4], true),
        timm_efficientnet("timm/tf_efficientnet_b4", 380, [1.4, 1.8], true),
        timm_efficientnet("timm/tf_efficientnet_b5", 456, [1.6, 2.2], true),
        timm_efficientnet("timm/tf_efficientnet_b6", 528, [1.8, 2.6], true),
        timm_efficientnet("timm/tf_efficientnet_b7", 600, [2.0, 3.1], true),
        convnext("torchvision/convnext_tiny", Torchvision, NEXT_TINY[0], NEXT_TINY[1]),
        convnext("torchvision/convnext_small", Torchvision, NEXT_SMALL[0], NEXT_SMALL[1]),
        convnext("torchvision/convnext_base", Torchvision, NEXT_BASE[0], NEXT_BASE[1]),
        convnext("torchvision/convnext_large", Torchvision, NEXT_LARGE[0], NEXT_LARGE[1]),
        convnext("timm/convnext_tiny", Timm, NEXT_TINY[0], NEXT_TINY[1]),
        convnext("timm/convnext_small", Timm, NEXT_SMALL[0], NEXT_SMALL[1]),
        convnext("timm/convnext_base", Timm, NEXT_BASE[0], NEXT_BASE[1]),
        vit("torchvision/vit_b_16", Vit, Torchvision, 16, BASE),
        vit("torchvision/vit_b_32", Vit, Torchvision, 32, BASE),
        vit("torchvision/vit_l_16", Vit, Torchvision, 16, LARGE),
        vit("torchvision/vit_l_32", Vit, Torchvision, 32, LARGE),
        vit("timm/vit_tiny_patch16_224", Vit, Timm, 16, TINY),
        vit("timm/vit_small_patch16_224", Vit, Timm, 16, SMALL),
        vit("timm/vit_base_patch16_224", Vit, Timm, 16, BASE),
        vit("timm/vit_small_patch32_224", Vit, Timm, 32, SMALL),
        vit("timm/vit_base_patch32_224", Vit, Timm, 32, BASE),
        vit("timm/deit_tiny_patch16_224", Deit, Timm, 16, TINY),
        vit("timm/deit_small_patch16_224", Deit, Timm, 16, SMALL),
        vit("timm/deit_base_patch16_224", Deit, Timm, 16, BASE),
        vit("timm/vit_small_patch14_dinov2", DinoV2, Timm, 14, SMALL),
        vit("timm/vit_base_patch14_dinov2", DinoV2, Timm, 14, BASE),
        resnet("transformers/resnet-18", Transformers, Basic, [2, 2, 2, 2]),
        resnet("transformers/resnet-34", Transformers, Basic, [3, 4, 6, 3]),
        resnet("transformers/resnet-50", Transformers, Bottleneck, [3, 4, 6, 3]),
        resnet("transformers/resnet-101", Transformers, Bottleneck, [3, 4, 23, 3]),
        resnet("transformers/resnet-152", Transformers, Bottleneck, [3, 8, 36, 3]),
        convnext("transformers/convnext-tiny-224", Transformers, NEXT_TINY[0], NEXT_TINY[1]),
        convnext("transformers/convnext-small-224", Transformers, NEXT_SMALL[0], NEXT_SMALL[1]),
        convnext("transformers/convnext-base-224", Transformers, NEXT_BASE[0], NEXT_BASE[1]),
        vit("transformers/vit-tiny-patch16-224", Vit, Transformers, 16, TINY),
        vit("transformers/vit-small-patch16-224", Vit, Transformers, 16, SMALL),
        vit("transformers/vit-base-patch16-224", Vit, Transformers, 16, BASE),
        vit("transformers/vit-large-patch16-224", Vit, Transformers, 16, LARGE),
        vit("transformers/deit-tiny-patch16-224", Deit, Transformers, 16, TINY),
        vit("transformers/deit-small-patch16-224", Deit, Transformers, 16, SMALL),
        vit("transformers/deit-base-patch16-224", Deit, Transformers, 16, BASE),
        vit("transformers/dinov2-small", DinoV2, Transformers, 14, SMALL),
        vit("transformers/dinov2-base", DinoV2, Transformers, 14, BASE),
        large(vit("timm/vit_small_patch14_dinov2_518", DinoV2, Timm, 14, SMALL)),
        large(vit("timm/vit_base_patch14_dinov2_518", DinoV2, Timm, 14, BASE)),
        ArchInfo {
            name: "caffe/caffenet",
            family: CaffeNet,
            naming: Caffe,
            size: 227,
            penultimate: "relu7",
            logits: "fc8",
            plan: Plan::CaffeNet,
        },
        ArchInfo {
            naming: Caffe,
            ..tv(
                "caffe/squeezenet_v1.1",
                SqueezeNet,
                227,
                ["features_pool", "pool10"],
                Plan::CaffeSqueezeNet,
            )
        },
        ArchInfo {
            naming: Timm,
            ..tv("timm/nasnetalarge", NasNet, 331, ["global_pool", "last_linear"], NASNET_LARGE)
        },
        keras("keras/NASNetMobile", NasNet, 224, NASNET_MOBILE),
        keras("keras/NASNetLarge", NasNet, 331, NASNET_LARGE),
        keras("keras/ResNet50", ResNet, 224, Plan::KerasResNet([3, 4, 6, 3])),
        keras("keras/ResNet101", ResNet, 224, Plan::KerasResNet([3, 4, 23, 3])),
        keras("keras/ResNet152", ResNet, 224, Plan::KerasResNet([3, 8, 36, 3])),
        keras("keras/ResNet50V2", ResNetV2, 224, Plan::KerasResNetV2([3, 4, 6, 3])),
        keras("keras/ResNet101V2", ResNetV2, 224, Plan::KerasResNetV2([3, 4, 23, 3])),
        keras("keras/ResNet152V2", ResNetV2, 224, Plan::KerasResNetV2([3, 8, 36, 3])),
        keras("keras/VGG16", Vgg, 224, Plan::KerasVgg([2, 2, 3, 3, 3])),
        keras("keras/VGG19", Vgg, 224, Plan::KerasVgg([2, 2, 4, 4, 4])),
        keras("keras/InceptionV3", InceptionV3, 299, Plan::InceptionV3),
        keras("keras/Xception", Xception, 299, Plan::Xception),
        keras("keras/MobileNet", MobileNet, 224, Plan::KerasMobileNet),
        mobile("keras/MobileNetV2", MobileNetV2, Keras, 224, V2),
        keras("keras/DenseNet121", DenseNet, 224, dense(32, [6, 12, 24, 16], 64)),
        keras("keras/DenseNet169", DenseNet, 224, dense(32, [6, 12, 32, 32], 64)),
        keras("keras/DenseNet201", DenseNet, 224, dense(32, [6, 12, 48, 32], 64)),
        keras_mobilenet_v3("keras/MobileNetV3Small", excite::SMALL),
        keras_mobilenet_v3("keras/MobileNetV3Large", excite::LARGE),
        keras_efficientnet("keras/EfficientNetB0", 224, [1.0, 1.0], 0.2),
        keras_efficientnet("keras/EfficientNetB1", 240, [1.0, 1.1], 0.2),
        keras_efficientnet("keras/EfficientNetB2", 260, [1.1, 1.2], 0.3),
        keras_efficientnet("keras/EfficientNetB3", 300, [1.2, 1.4], 0.3),
        keras_efficientnet("keras/EfficientNetB4", 380, [1.4, 1.8], 0.4),
        keras_efficientnet("keras/EfficientNetB5", 456, [1.6, 2.2], 0.4),
        keras_efficientnet("keras/EfficientNetB6", 528, [1.8, 2.6], 0.5),
        keras_efficientnet("keras/EfficientNetB7", 600, [2.0, 3.1], 0.5),
        convnext("keras/ConvNeXtTiny", Keras, NEXT_TINY[0], NEXT_TINY[1]),
        convnext("keras/ConvNeXtSmall", Keras, NEXT_SMALL[0], NEXT_SMALL[1]),
        convnext("keras/ConvNeXtBase", Keras, NEXT_BASE[0], NEXT_BASE[1]),
        convnext("keras/ConvNeXtLarge", Keras, NEXT_LARGE[0], NEXT_LARGE[1]),
        tv("pytorch/dcgan-discriminator", Dcgan, 64, ["pool", "score"], Plan::Dcgan),
        tv("pytorch/dcgan-discriminator-32", Dcgan, 32, ["pool", "score"], Plan::Dcgan),
    ]
};
